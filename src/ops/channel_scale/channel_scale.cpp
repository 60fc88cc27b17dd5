#include "ops/channel_scale/channel_scale.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/autodiff.h"
#include "kernels/channel_scale.h"
#include "ops/append.h"

namespace convoy {
namespace {

kernels::ChannelScaleShape scale_shape(const Shape& x, const Shape& scale) {
  const int64_t channels = scale[-1], samples = scale.elements() / channels;
  return {samples, x.elements() / (samples * channels), channels};
}

kernels::ChannelScaleShape scale_shape(const NodeSpec& spec) {
  return scale_shape(spec.inputs[0].shape, spec.inputs[1].shape);
}

}  // namespace

std::vector<TensorType> ChannelScaleOp::infer(std::span<const TensorType> inputs) const {
  const Shape &x = inputs[0].shape, &scale = inputs[1].shape;
  const bool vector = scale.rank() == 1, gate = scale.rank() == 2 && scale[0] == x[0];
  if (x.rank() < 2 || !(vector || gate) || scale[-1] != x[-1]) {
    throw Error(fmt::format("channel_scale: expected a map {{N, ..., C}} and a scale {{N, C}} or {{C}}, got {} and {}",
                            x.to_string(), scale.to_string()));
  }
  return {inputs[0]};
}

void ChannelScaleOp::gradient(GradientScope& scope) const {
  if (scope.wants(0) || scope.wants(1)) {
    const auto grads = scope.add(std::make_shared<ChannelScaleGradOp>(scope.wants(0), scope.wants(1)),
                                 {scope.input(0), scope.input(1), scope.grad_output(0)});
    for (int i = 0; i < 2; ++i) scope.set_grad_input(i, grads[static_cast<size_t>(i)]);
  }
  if (scope.input(2) != kNoValue && scope.wants(2)) scope.set_grad_input(2, scope.grad_output(0));
}

void ChannelScaleOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const kernels::ChannelScaleShape shape = scale_shape(inputs[0].type.shape, inputs[1].type.shape);
  for (int64_t i = 0; i < outputs[0].type.shape.elements(); ++i) {
    const int64_t sample = i / (shape.rows * shape.channels);
    const double scale = inputs[1].begin()[sample * shape.channels + i % shape.channels];
    outputs[0].begin()[i] = inputs[0].begin()[i] * scale + (inputs[2].type.present ? inputs[2].begin()[i] : 0.0);
  }
}

std::vector<TensorType> ChannelScaleGradOp::infer(std::span<const TensorType> inputs) const {
  return {wants_x_ ? inputs[0] : TensorType::absent(), wants_scale_ ? inputs[1] : TensorType::absent()};
}

std::span<const Kernel> ChannelScaleOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         kernels::channel_scale_kernels().forward(scale_shape(spec), memory.input(0), memory.input(1), memory.input(2),
                                                  memory.output(0));
       }},
  };
  return kTable;
}

std::span<const Kernel> ChannelScaleGradOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr, [](const NodeSpec& spec) { return kernels::channel_scale_workspace(scale_shape(spec)); },
       [](const NodeSpec& spec, const NodeMemory& memory) {
         kernels::channel_scale_kernels().backward(scale_shape(spec), memory.input(0), memory.input(1), memory.input(2),
                                                   memory.output(0), memory.output(1), memory.workspace);
       }},
  };
  return kTable;
}

Value channel_scale(Value x, Value scale) { return append(std::make_shared<ChannelScaleOp>(), {x, scale, Value()}); }

Value scale(Value x, float factor) {
  if (x.shape().rank() < 2) throw Error(fmt::format("scale: expected {{N, ..., C}}, got {}", x.shape().to_string()));
  Graph& graph = x.graph();
  return channel_scale(x, {&graph, graph.add_constant({x.channels()}, factor)});
}

}  // namespace convoy
