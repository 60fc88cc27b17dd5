// The kernels of products, element by element.
#include "kernels/elementwise.h"
#include "ops/map_kernels.h"
#include "ops/mul/mul.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

template <class Map>
void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::elementwise_kernels().of<Map>().multiply(spec.inputs[0].shape.elements(), map_input<Map>(memory, 0),
                                                    map_input<Map>(memory, 1), map_output<Map>(memory, 0));
}

template <class Map>
void run_backward(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::elementwise_kernels().of<Map>().multiply_backward(spec.inputs[0].shape.elements(), map_input<Map>(memory, 0),
                                                             map_input<Map>(memory, 1), map_input<Map>(memory, 2),
                                                             map_output<Map>(memory, 0), map_output<Map>(memory, 1));
}

constexpr Kernel kForward[] = {{.name = "simd", .run = run_forward<float>}, bf16_kernel(run_forward<Bf16>)};
constexpr Kernel kGrad[] = {{.name = "simd", .run = run_backward<float>}, bf16_kernel(run_backward<Bf16>)};

}  // namespace

std::vector<KernelTable> mul_kernels() { return {{MulOp::kName, kForward}, {MulGradOp::kName, kGrad}}; }

}  // namespace convoy
