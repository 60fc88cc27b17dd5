// Which kernels compute dropout.
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "ops/dropout/dropout.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

void run_dropout(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<DropoutOp>();
  const int64_t count = spec.inputs[0].shape.elements();
  kernels::dropout(op.key(memory.step, count), op.probability(), count, memory.input(0), memory.output(0));
}

size_t drop_path_workspace(const NodeSpec& spec) {
  return static_cast<size_t>(spec.inputs[0].shape[0]) * sizeof(float);
}

template <class Map>
void run_drop_path(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<DropPathOp>();
  const Shape& shape = spec.inputs[0].shape;
  float* scales = reinterpret_cast<float*>(memory.workspace);
  kernels::drop_path_scales(op.key(memory.step, shape[0]), op.probability(), shape[0], scales);
  kernels::elementwise_kernels().of<Map>().scale_samples(shape[0], shape.elements() / shape[0], scales,
                                                         map_input<Map>(memory, 0), map_input<Map>(memory, 1),
                                                         map_output<Map>(memory, 0));
}

constexpr Kernel kDropout[] = {{.name = "philox", .run = run_dropout}};
constexpr Kernel kDropPath[] = {{.name = "simd", .workspace = drop_path_workspace, .run = run_drop_path<float>},
                                bf16_kernel(run_drop_path<Bf16>, drop_path_workspace)};

}  // namespace

std::vector<KernelTable> dropout_kernels() { return {{DropoutOp::kName, kDropout}, {DropPathOp::kName, kDropPath}}; }

}  // namespace convoy
