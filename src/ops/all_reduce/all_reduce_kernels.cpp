// The kernels of sums over ranks.
#include <algorithm>

#include "ops/all_reduce/all_reduce.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

void run_begin(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<AllReduceOp>();
  std::vector<std::span<float>> tensors;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const float* const input = memory.input(static_cast<int>(i));
    float* const output = memory.output(static_cast<int>(i));
    const auto count = static_cast<size_t>(spec.inputs[i].shape.elements());
    if (op.scale() != 1) {
      std::transform(input, input + count, output, [scale = op.scale()](float x) { return scale * x; });
    } else if (input != output) {
      std::copy_n(input, count, output);
    }
    tensors.emplace_back(output, count);
  }
  if (op.world() != nullptr) op.world()->begin_sum(std::move(tensors));
}

void run_wait(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<AllReduceWaitOp>();
  if (op.world() != nullptr) op.world()->finish_sum(memory.input(0));
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const float* const input = memory.input(static_cast<int>(i));
    float* const output = memory.output(static_cast<int>(i));
    if (input != output) std::copy_n(input, spec.inputs[i].shape.elements(), output);
  }
}

constexpr Kernel kBegin[] = {{.name = "world", .run = run_begin}};
constexpr Kernel kWait[] = {{.name = "world", .run = run_wait}};

}  // namespace

std::vector<KernelTable> all_reduce_kernels() {
  return {{AllReduceOp::kName, kBegin}, {AllReduceWaitOp::kName, kWait}};
}

}  // namespace convoy
