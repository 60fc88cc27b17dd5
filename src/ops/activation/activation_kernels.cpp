// The kernels of activation functions.
#include "kernels/elementwise.h"
#include "ops/activation/activation.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

template <class Map>
void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::elementwise_kernels().of<Map>().activation(spec.as<ActivationOp>().function(),
                                                      spec.inputs[0].shape.elements(), map_input<Map>(memory, 0),
                                                      map_output<Map>(memory, 0));
}

template <class Map>
void run_backward(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::elementwise_kernels().of<Map>().activation_backward(
      spec.as<ActivationGradOp>().function(), spec.inputs[0].shape.elements(), map_input<Map>(memory, 0),
      map_input<Map>(memory, 1), map_input<Map>(memory, 2), map_output<Map>(memory, 0));
}

constexpr Kernel kForward[] = {{.name = "simd", .run = run_forward<float>}, bf16_kernel(run_forward<Bf16>)};
constexpr Kernel kGrad[] = {{.name = "simd", .run = run_backward<float>}, bf16_kernel(run_backward<Bf16>)};

}  // namespace

std::vector<KernelTable> activation_kernels() {
  return {{ActivationOp::kName, kForward}, {ActivationGradOp::kName, kGrad}};
}

}  // namespace convoy
