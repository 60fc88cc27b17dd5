#include "ops/op_list.h"
#include "ops/pool/pool.h"

namespace convoy {
namespace {

// The geometry of a pooling op or its gradient, whose input has this shape.
kernels::PoolGeometry geometry(const NodeSpec& spec, const Shape& input) {
  return spec.as<PoolOp>().pool().geometry(input);
}

uint8_t* bytes_or_null(const View& view) { return view.data == nullptr ? nullptr : view.as<uint8_t>(); }

constexpr DType kWithPositions[] = {DType::f32, DType::u8};

constexpr Kernel kMax[] = {{
    .name = "simd",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::pool_kernels().max(geometry(spec, spec.inputs[0].shape), memory.input(0), memory.output(0),
                                      bytes_or_null(memory.outputs[1]));
        },
    .accepts = kWithPositions,
}};

constexpr Kernel kMaxGrad[] = {{
    .name = "simd",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::pool_kernels().max_backward(geometry(spec, spec.outputs[0].shape), memory.input(0),
                                               memory.inputs[1].as<const uint8_t>(), memory.output(0));
        },
    .accepts = kWithPositions,
}};

constexpr Kernel kAverage[] = {{
    .name = "simd",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::pool_kernels().average(geometry(spec, spec.inputs[0].shape), memory.input(0), memory.output(0));
        },
}};

constexpr Kernel kAverageGrad[] = {{
    .name = "simd",
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::pool_kernels().average_backward(geometry(spec, spec.outputs[0].shape), memory.input(0),
                                                   memory.output(0));
        },
}};

}  // namespace

std::vector<KernelTable> pool_kernels() {
  return {{MaxPoolOp::kName, kMax},
          {MaxPoolGradOp::kName, kMaxGrad},
          {AvgPoolOp::kName, kAverage},
          {AvgPoolGradOp::kName, kAverageGrad}};
}

}  // namespace convoy
