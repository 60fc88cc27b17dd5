#include "kernels/depthwise.h"

#include "core/parallel.h"
#include "kernels/isa/depthwise_workspace.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

void forward(const ConvGeometry& g, const ConvForwardArgs& args) {
  correlate<float>(correlation_of(g, false),
                   {args.input, args.weight, args.bias, args.addend, args.output, args.activation, args.activated,
                    args.statistics, static_cast<float*>(args.workspace)});
}

void grad_input(const ConvGeometry& g, const ConvGradInputArgs& args) {
  correlate<float>(correlation_of(g, true), {args.grad_output, args.weight, nullptr, args.addend, args.grad_input,
                                             Activation::none, nullptr, nullptr, static_cast<float*>(args.workspace)});
}

void grad_weight(const ConvGeometry& g, const ConvGradWeightArgs& args) {
  sum_weight_gradient<float>(WeightGradient(g), {args.input, args.grad_output, args.grad_weight, args.grad_bias,
                                                 static_cast<float*>(args.workspace)});
}

size_t prepared_bytes(const ConvGeometry&) { return 0; }
void prepare(const ConvGeometry&, const float*, void*) {}

}  // namespace

const ConvKernels& depthwise_kernels() {
  static constexpr ConvKernels kernels{forward,
                                       grad_input,
                                       grad_weight,
                                       depthwise_forward_workspace,
                                       depthwise_grad_input_workspace,
                                       depthwise_grad_weight_workspace,
                                       prepared_bytes,
                                       prepare};
  return kernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
