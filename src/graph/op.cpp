#include "convoy/op.h"

#include <fmt/format.h>

#include <algorithm>

#include "convoy/error.h"
#include "convoy/kernel.h"

namespace convoy {

void Op::gradient(GradientScope&) const { throw InternalError(fmt::format("{}: this op has no gradient", name())); }

void Op::reference(std::span<ReferenceTensor>, std::span<ReferenceTensor>, const StepScalars&) const {
  throw InternalError(fmt::format("{}: this op has no double-precision reference", name()));
}

bool same_op(const Op& a, const Op& b) { return a.name() == b.name() && a.attributes() == b.attributes(); }

void check_slots(const Op& op, std::span<const TensorType> inputs) {
  const std::span<const Slot> slots = op.slots();
  const bool many = !slots.empty() && slots.back().kind == Slot::Kind::many;
  if (many ? inputs.size() < slots.size() : inputs.size() != slots.size()) {
    throw InternalError(fmt::format("{}: expected {}{} inputs, got {}", op.name(), many ? "at least " : "",
                                    slots.size(), inputs.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Slot& slot = slots[std::min(i, slots.size() - 1)];
    if (!inputs[i].present && slot.kind != Slot::Kind::optional) {
      throw InternalError(fmt::format("{}: its {} is missing", op.name(), slot.name));
    }
  }
}

void View::wrong_type(DType asked) const {
  throw InternalError(fmt::format("a kernel asked for {} where {} is stored", to_string(asked), to_string(dtype)));
}

}  // namespace convoy
