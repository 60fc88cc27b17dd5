#include "backends/backends.h"
#include "backends/host_memory.h"
#include "backends/reference/reference_kernel.h"

namespace convoy {
namespace {

class ReferenceBackend : public Backend {
 public:
  std::string_view name() const override { return "reference"; }
  std::span<const Kernel> kernels(const Op&) const override { return {&kReferenceKernel, 1}; }
  DType stored_as(DType type) const override { return is_floating(type) ? DType::f64 : type; }
  Buffer allocate(size_t bytes) const override { return Buffer(bytes); }
  bool in_host_memory() const override { return true; }
  void upload(std::span<const float> from, const View& to) const override { host_upload(from, to); }
  void download(const View& from, std::span<float> to) const override { host_download(from, to); }
  void synchronise() const override {}
};

}  // namespace

const Backend& reference_backend() {
  static const ReferenceBackend kBackend;
  return kBackend;
}

}  // namespace convoy
