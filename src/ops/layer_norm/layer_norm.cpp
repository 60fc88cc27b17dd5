#include "ops/layer_norm/layer_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "graph/graph.h"
#include "kernels/layer_norm.h"

namespace convoy {

std::string LayerNormOp::attributes() const { return fmt::format("eps={:g}", eps_); }

std::vector<TensorType> LayerNormOp::infer(std::span<const TensorType> inputs) const {
  const Shape& x = inputs[kX].shape;
  if (x.rank() == 0) throw Error("layer_norm: expected a tensor {..., C}, got a scalar");
  for (const Input i : {kWeight, kBias}) {
    if (inputs[i].shape != Shape{x[-1]}) {
      throw Error(fmt::format("layer_norm: expected a {} {}, got {}", i == kWeight ? "weight" : "bias", x[-1],
                              inputs[i].shape.to_string()));
    }
  }
  const Shape rows{x.elements() / x[-1]};
  return {inputs[kX], {rows}, {rows}};
}

void LayerNormOp::gradient(GradientScope& scope) const {
  const std::vector<ValueId> grads =
      scope.add(std::make_shared<LayerNormGradOp>(), {scope.grad_output(kY), scope.input(kX), scope.output(kMean),
                                                      scope.output(kInvStd), scope.input(kWeight), kNoValue});
  scope.set_grad_input(kX, grads[LayerNormGradOp::kGradX]);
  scope.set_grad_input(kWeight, grads[LayerNormGradOp::kGradWeight]);
  scope.set_grad_input(kBias, grads[LayerNormGradOp::kGradBias]);
}

void LayerNormOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const int64_t channels = inputs[kX].type.shape[-1];
  const double n = static_cast<double>(channels);
  for (size_t row = 0; row < outputs[kMean].data.size(); ++row) {
    const double* x = inputs[kX].begin() + static_cast<int64_t>(row) * channels;
    double* y = outputs[kY].begin() + static_cast<int64_t>(row) * channels;
    double mean = 0, var = 0;
    for (int64_t c = 0; c < channels; ++c) mean += x[c] / n;
    for (int64_t c = 0; c < channels; ++c) var += std::pow(x[c] - mean, 2) / n;
    const double inv_std = 1 / std::sqrt(var + static_cast<double>(eps_));
    outputs[kMean].data[row] = mean;
    outputs[kInvStd].data[row] = inv_std;
    for (int64_t c = 0; c < channels; ++c) {
      y[c] = (x[c] - mean) * inv_std * inputs[kWeight].begin()[c] + inputs[kBias].begin()[c];
    }
  }
}

namespace {

void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = LayerNormOp;
  const Shape& x = spec.inputs[Op::kX].shape;
  kernels::layer_norm_kernels().forward({.rows = x.elements() / x[-1],
                                         .channels = x[-1],
                                         .eps = static_cast<const Op&>(spec.op).eps(),
                                         .input = memory.input(Op::kX),
                                         .weight = memory.input(Op::kWeight),
                                         .bias = memory.input(Op::kBias),
                                         .output = memory.output(Op::kY),
                                         .mean = memory.output(Op::kMean),
                                         .inv_std = memory.output(Op::kInvStd)});
}

size_t backward_workspace(const NodeSpec& spec) {
  const Shape& x = spec.inputs[LayerNormGradOp::kX].shape;
  return static_cast<size_t>(kernels::layer_norm_kernels().workspace(x.elements() / x[-1], x[-1])) * sizeof(float);
}

void run_backward(const NodeSpec& spec, const NodeMemory& memory) {
  using Op = LayerNormGradOp;
  const Shape& x = spec.inputs[Op::kX].shape;
  kernels::layer_norm_kernels().backward({.rows = x.elements() / x[-1],
                                          .channels = x[-1],
                                          .grad_output = memory.input(Op::kGradOutput),
                                          .input = memory.input(Op::kX),
                                          .mean = memory.input(Op::kMean),
                                          .inv_std = memory.input(Op::kInvStd),
                                          .weight = memory.input(Op::kWeight),
                                          .addend = memory.input(Op::kAddend),
                                          .grad_input = memory.output(Op::kGradX),
                                          .grad_weight = memory.output(Op::kGradWeight),
                                          .grad_bias = memory.output(Op::kGradBias),
                                          .workspace = reinterpret_cast<float*>(memory.workspace)});
}

}  // namespace

std::span<const Kernel> LayerNormOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, run_forward}};
  return kTable;
}

std::span<const Kernel> LayerNormGradOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, backward_workspace, run_backward}};
  return kTable;
}

Value layer_norm(Builder b, Value x, float eps) {
  if (x.shape().rank() == 0) {
    throw Error(fmt::format("layer_norm '{}': expected a tensor {{..., C}}, got a scalar", b.name("")));
  }
  const Value weight = b.parameter("weight", {x.channels()}, Initializer::constant(1));
  const Value bias = b.parameter("bias", {x.channels()}, Initializer::constant(0));
  return {&b.graph(), b.graph().add_node(std::make_shared<LayerNormOp>(eps), {x.id(), weight.id(), bias.id()})[0]};
}

}  // namespace convoy
