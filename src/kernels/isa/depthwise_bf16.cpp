#include "kernels/bf16_conv.h"
#include "kernels/isa/depthwise_workspace.h"

namespace convoy::kernels::CONVOY_ISA {
// Of AVX-512 alone: other processors have no fast product of brain floats, and train in floats.
#if defined(CONVOY_ISA_avx512)

namespace {

void forward(const ConvGeometry& g, const Bf16ConvForwardArgs& args) {
  correlate<Bf16>(correlation_of(g, false),
                  {args.input, args.weight, args.bias, args.addend, args.output, args.activation,
                   args.activation == Activation::none ? nullptr : args.output, args.statistics,
                   static_cast<float*>(args.workspace)});
}

void grad_input(const ConvGeometry& g, const Bf16ConvGradInputArgs& args) {
  correlate<Bf16>(correlation_of(g, true), {args.grad_output, args.weight, nullptr, args.addend, args.grad_input,
                                            Activation::none, nullptr, nullptr, static_cast<float*>(args.workspace)});
}

void grad_weight(const ConvGeometry& g, const Bf16ConvGradWeightArgs& args) {
  sum_weight_gradient<Bf16>(WeightGradient(g), {args.input, args.grad_output, args.grad_weight, args.grad_bias,
                                                static_cast<float*>(args.workspace)});
}

size_t prepared_bytes(const ConvGeometry&) { return 0; }
void prepare(const ConvGeometry&, const float*, void*) {}

}  // namespace

const Bf16ConvKernels& bf16_depthwise_table() {
  static constexpr Bf16ConvKernels kKernels{forward,
                                            grad_input,
                                            grad_weight,
                                            depthwise_forward_workspace,
                                            depthwise_grad_input_workspace,
                                            depthwise_grad_weight_workspace,
                                            prepared_bytes,
                                            prepare};
  return kKernels;
}

#else

const Bf16ConvKernels& bf16_depthwise_table() {
  static constexpr Bf16ConvKernels kNone{};
  return kNone;
}

#endif

}  // namespace convoy::kernels::CONVOY_ISA
