#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "backends/backends.h"
#include "backends/host_memory.h"
#include "backends/reference/reference_kernel.h"
#include "convoy/own_op.h"
#include "ops/append.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

class CpuBackend : public Backend {
 public:
  CpuBackend() {
    for (const KernelTable& table : cpu_kernel_tables()) {
      tables_[table.op] = {table.kernels.begin(), table.kernels.end()};
    }
  }

  // Of a program's own op, which is run by its reference where nothing else takes it.
  void add(std::string_view op, std::span<const Kernel> kernels) {
    std::vector<Kernel>& table = tables_[op];
    table.assign(kernels.begin(), kernels.end());
    table.push_back(kReferenceKernel);
  }

  std::string_view name() const override { return "cpu"; }
  std::span<const Kernel> kernels(const Op& op) const override {
    const auto found = tables_.find(op.name());
    return found == tables_.end() ? std::span<const Kernel>() : found->second;
  }
  DType stored_as(DType type) const override { return type; }
  Buffer allocate(size_t bytes) const override { return Buffer(bytes); }
  bool in_host_memory() const override { return true; }
  void upload(std::span<const float> from, const View& to) const override { host_upload(from, to); }
  void download(const View& from, std::span<float> to) const override { host_download(from, to); }
  void synchronise() const override {}

 private:
  std::map<std::string_view, std::vector<Kernel>> tables_;
};

CpuBackend& backend() {
  static CpuBackend cpu;
  return cpu;
}

}  // namespace

const Backend& cpu_backend() { return backend(); }

void add_op(const OpType& type, std::span<const Kernel> kernels) {
  add_op_type(type);
  backend().add(type.name, kernels);
}

Value apply(std::shared_ptr<const Op> op, const std::vector<Value>& inputs) { return append(std::move(op), inputs); }

}  // namespace convoy
