#include "ops/dropout/dropout.h"

#include "convoy/error.h"
#include "convoy/ops.h"
#include "core/random.h"
#include "graph/autodiff.h"
#include "kernels/elementwise.h"
#include "ops/append.h"

namespace convoy {
namespace {

void run_drop_path(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = static_cast<const DropPathOp&>(spec.op);
  const Shape& shape = spec.inputs[0].shape;
  float* scales = reinterpret_cast<float*>(memory.workspace);
  kernels::drop_path_scales(op.key(memory.step), op.probability(), shape[0], scales);
  kernels::elementwise_kernels().scale_samples(shape[0], shape.elements() / shape[0], scales, memory.input(0),
                                               memory.input(1), memory.output(0));
}

// Whether `probability` asks for an op at all.
bool drops(std::string_view op, Builder b, float probability) {
  if (!(probability >= 0 && probability < 1)) {
    throw Error(fmt::format("{} '{}': expected a probability in [0, 1), got {}", op, b.name(""), probability));
  }
  return b.mode() == Mode::training && probability > 0;
}

// What tells the masks of a new op from those of others: its name.
uint64_t new_stream(std::string_view op, Builder b) {
  const uint64_t stream = hash_name(b.name(op));
  for (const Node& node : b.graph().nodes()) {
    const auto* other = dynamic_cast<const MaskedOp*>(node.op.get());
    if (other != nullptr && other->stream() == stream) {
      throw Error(fmt::format("{} '{}': there is already one of that name, which drops the same; names must differ", op,
                              b.name("")));
    }
  }
  return stream;
}

}  // namespace

void DropoutOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(0, scope.add(std::make_shared<DropoutOp>(probability(), stream()), {scope.grad_output(0)})[0]);
}

void DropoutOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  std::vector<float> mask(inputs[0].data.size(), 1.0F);
  kernels::dropout(key({}), probability(), static_cast<int64_t>(mask.size()), mask.data(), mask.data());
  for (size_t i = 0; i < mask.size(); ++i) outputs[0].data[i] = inputs[0].data[i] * mask[i];
}

std::span<const Kernel> DropoutOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"philox", nullptr, nullptr,
       [](const NodeSpec& spec, const NodeMemory& memory) {
         const auto& op = static_cast<const DropoutOp&>(spec.op);
         kernels::dropout(op.key(memory.step), op.probability(), spec.inputs[0].shape.elements(), memory.input(0),
                          memory.output(0));
       }},
  };
  return kTable;
}

std::vector<TensorType> DropPathOp::infer(std::span<const TensorType> inputs) const {
  if (inputs[0].shape.rank() == 0) throw Error("drop_path: expected a tensor {N, ...}, got a scalar");
  return {inputs[0]};
}

void DropPathOp::gradient(GradientScope& scope) const {
  if (scope.wants(0)) {
    scope.set_grad_input(
        0, scope.add(std::make_shared<DropPathOp>(probability(), stream()), {scope.grad_output(0), kNoValue})[0]);
  }
  if (scope.input(1) != kNoValue && scope.wants(1)) scope.set_grad_input(1, scope.grad_output(0));
}

void DropPathOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  std::vector<float> scales(static_cast<size_t>(inputs[0].type.shape[0]));
  kernels::drop_path_scales(key({}), probability(), inputs[0].type.shape[0], scales.data());
  const size_t per_sample = inputs[0].data.size() / scales.size();
  for (size_t i = 0; i < inputs[0].data.size(); ++i) {
    outputs[0].data[i] = inputs[0].data[i] * scales[i / per_sample];
    if (inputs[1].type.present) outputs[0].data[i] += inputs[1].data[i];
  }
}

std::span<const Kernel> DropPathOp::kernels() const {
  static constexpr Kernel kTable[] = {
      {"simd", nullptr,
       [](const NodeSpec& spec) { return static_cast<size_t>(spec.inputs[0].shape[0]) * sizeof(float); },
       run_drop_path},
  };
  return kTable;
}

Value dropout(Builder b, Value x, float probability) {
  if (!drops("dropout", b, probability)) return x;
  return append(std::make_shared<DropoutOp>(probability, new_stream("dropout", b)), {x});
}

Value drop_path(Builder b, Value x, float probability) {
  if (!drops("drop_path", b, probability)) return x;
  return append(std::make_shared<DropPathOp>(probability, new_stream("drop_path", b)), {x, Value()});
}

}  // namespace convoy
