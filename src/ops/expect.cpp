#include "ops/expect.h"

#include <fmt/format.h>

#include <algorithm>

#include "convoy/error.h"

namespace convoy {
namespace {

std::string_view slot_name(const Op& op, int i) {
  const std::span<const Slot> slots = op.slots();
  return slots[std::min(static_cast<size_t>(i), slots.size() - 1)].name;
}

}  // namespace

void expect_shape(const Op& op, std::span<const TensorType> inputs, int i, const Shape& shape) {
  const TensorType& type = inputs[static_cast<size_t>(i)];
  if (!type.present || type.shape == shape) return;
  throw Error(fmt::format("{}: expected its {} to be {}, got {}", op.name(), slot_name(op, i), shape.to_string(),
                          type.shape.to_string()));
}

void expect_type(const Op& op, std::span<const TensorType> inputs, int i, DType type) {
  const TensorType& got = inputs[static_cast<size_t>(i)];
  if (!got.present || got.dtype == type) return;
  throw Error(fmt::format("{}: expected its {} to be {}, got {}", op.name(), slot_name(op, i), to_string(type),
                          to_string(got.dtype)));
}

void expect_rank(const Op& op, std::span<const TensorType> inputs, int i, int least, int most) {
  const Shape& shape = inputs[static_cast<size_t>(i)].shape;
  if (shape.rank() >= least && shape.rank() <= most) return;
  throw Error(fmt::format("{}: expected its {} to have {} axes, got {}", op.name(), slot_name(op, i),
                          least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most),
                          shape.to_string()));
}

}  // namespace convoy
