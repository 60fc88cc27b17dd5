#include "kernels/depthwise.h"

#include "core/parallel.h"
#include "kernels/isa/depthwise_correlate.h"
#include "kernels/isa/depthwise_grad_weight.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

Correlation correlation_of(const ConvGeometry& g, bool transposed) {
  return {g.batch, g.in_c, vertical_axis(g, transposed), horizontal_axis(g, transposed)};
}

void forward(const ConvGeometry& g, const ConvForwardArgs& args) {
  correlate(correlation_of(g, false), {args.input, args.weight, args.bias, args.addend, args.output, args.activation,
                                       args.activated, args.statistics, static_cast<float*>(args.workspace)});
}

void grad_input(const ConvGeometry& g, const ConvGradInputArgs& args) {
  correlate(correlation_of(g, true), {args.grad_output, args.weight, nullptr, args.addend, args.grad_input,
                                      Activation::none, nullptr, nullptr, static_cast<float*>(args.workspace)});
}

void grad_weight(const ConvGeometry& g, const ConvGradWeightArgs& args) {
  sum_weight_gradient(WeightGradient(g), args);
}

size_t bytes_per_worker(int64_t floats) {
  return static_cast<size_t>(thread_count()) * static_cast<size_t>(floats) * sizeof(float);
}

size_t forward_workspace(const ConvGeometry& g) { return bytes_per_worker(correlation_of(g, false).scratch_floats()); }

size_t grad_input_workspace(const ConvGeometry& g) {
  return bytes_per_worker(correlation_of(g, true).scratch_floats());
}

size_t grad_weight_workspace(const ConvGeometry& g) {
  const WeightGradient w(g);
  return static_cast<size_t>(w.sums_floats()) * sizeof(float) + bytes_per_worker(w.scratch_floats());
}

size_t prepared_bytes(const ConvGeometry&) { return 0; }
void prepare(const ConvGeometry&, const float*, void*) {}

}  // namespace

const ConvKernels& depthwise_kernels() {
  static constexpr ConvKernels kernels{
      forward,        grad_input, grad_weight, forward_workspace, grad_input_workspace, grad_weight_workspace,
      prepared_bytes, prepare};
  return kernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
