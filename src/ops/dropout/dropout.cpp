#include "ops/dropout/dropout.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "convoy/ops.h"
#include "core/random.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

bool is_probability(float probability) { return probability >= 0 && probability < 1; }

// Whether `probability` asks for an op at all.
bool drops(std::string_view op, Builder b, float probability) {
  if (!is_probability(probability)) {
    throw Error(fmt::format("{} '{}': expected a probability in [0, 1), got {}", op, b.name(""), probability));
  }
  return b.mode() == Mode::training && probability > 0;
}

// What tells the masks of a new op from those of others: its name.
uint64_t new_stream(std::string_view op, Builder b) {
  const uint64_t stream = hash_name(b.name(op));
  for (const Node& node : b.graph().nodes()) {
    const auto* other = op_as<MaskedOp>(node);
    if (other != nullptr && other->stream() == stream) {
      throw Error(fmt::format("{} '{}': there is already one of that name, which drops the same; names must differ", op,
                              b.name("")));
    }
  }
  return stream;
}

}  // namespace

void MaskedOp::check_probability() const {
  if (!is_probability(probability_)) {
    throw Error(fmt::format("{}: expected a probability in [0, 1), got {}", name(), probability_));
  }
}

std::vector<TensorType> DropoutOp::infer(std::span<const TensorType> inputs) const {
  check_probability();
  return {{inputs[0].shape}};
}

void DropoutOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(0, scope.add(std::make_shared<DropoutOp>(probability(), stream()), {scope.grad_output(0)})[0]);
}

void DropoutOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                          const StepScalars& step) const {
  std::vector<float> mask(inputs[0].data.size(), 1.0F);
  const auto count = static_cast<int64_t>(mask.size());
  kernels::dropout(key(step, count), probability(), count, mask.data(), mask.data());
  for (size_t i = 0; i < mask.size(); ++i) outputs[0].data[i] = inputs[0].data[i] * double{mask[i]};
}

std::vector<TensorType> DropPathOp::infer(std::span<const TensorType> inputs) const {
  check_probability();
  expect_rank(*this, inputs, 0, 1, Shape::kMaxRank);
  expect_shape(*this, inputs, 1, inputs[0].shape);
  return {{inputs[0].shape}};
}

void DropPathOp::gradient(GradientScope& scope) const {
  if (scope.wants(0)) {
    scope.set_grad_input(
        0, scope.add(std::make_shared<DropPathOp>(probability(), stream()), {scope.grad_output(0), kNoValue})[0]);
  }
  if (scope.input(1) != kNoValue && scope.wants(1)) scope.set_grad_input(1, scope.grad_output(0));
}

void DropPathOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                           const StepScalars& step) const {
  std::vector<float> scales(static_cast<size_t>(inputs[0].type.shape[0]));
  const int64_t samples = inputs[0].type.shape[0];
  kernels::drop_path_scales(key(step, samples), probability(), samples, scales.data());
  const size_t per_sample = inputs[0].data.size() / scales.size();
  for (size_t i = 0; i < inputs[0].data.size(); ++i) {
    outputs[0].data[i] = inputs[0].data[i] * double{scales[i / per_sample]};
    if (inputs[1].type.present) outputs[0].data[i] += inputs[1].data[i];
  }
}

std::vector<OpType> dropout_ops() { return {op_type<DropoutOp>(), op_type<DropPathOp>()}; }

Value dropout(Builder b, Value x, float probability) {
  if (!drops("dropout", b, probability)) return x;
  return append(std::make_shared<DropoutOp>(probability, new_stream("dropout", b)), {x});
}

Value drop_path(Builder b, Value x, float probability) {
  if (!drops("drop_path", b, probability)) return x;
  return append(std::make_shared<DropPathOp>(probability, new_stream("drop_path", b)), {x, Value()});
}

}  // namespace convoy
