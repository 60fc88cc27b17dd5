#include "inference/onnx_fold_call.h"

#include <algorithm>

namespace convoy::folding {

std::string to_text(const Integers& shape) {
  const auto shown = std::span(shape).first(std::min(shape.size(), kMostAxes));
  return fmt::format("[{}{}]", fmt::join(shown, ", "), shown.size() < shape.size() ? ", ..." : "");
}

int64_t product(std::span<const int64_t> extents) {
  int64_t count = 1;
  for (const int64_t extent : extents) count *= extent;
  return count;
}

Integers strides_of(const Integers& shape) {
  Integers strides(shape.size());
  int64_t stride = 1;
  for (size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) strides[axis] = stride;
  return strides;
}

Call::Call(const OnnxNode& node, const std::vector<const OnnxConstant*>& inputs, int64_t opset, int64_t most)
    : node_(node), inputs_(inputs), opset_(opset) {
  int64_t largest = 0;
  for (const OnnxConstant* input : inputs) {
    if (input == nullptr) continue;
    const size_t elements = std::visit([](const auto& values) { return values.size(); }, input->values);
    if (elements != static_cast<size_t>(count(input->shape))) {
      fail("expected an input of shape {}, got {} elements", to_text(input->shape), elements);
    }
    largest = std::max(largest, static_cast<int64_t>(elements));
  }
  most_ = std::max(most, largest);
}

const OnnxConstant& Call::input(size_t index) const {
  if (!has(index)) fail("expected an input {}, got none", index);
  return *inputs_[index];
}

const Integers& Call::integers(size_t index) const {
  const OnnxConstant& from = input(index);
  if (!from.is_integer()) fail("expected integers as input {}, got floats", index);
  return from.integers();
}

const Floats& Call::floats(size_t index) const {
  const OnnxConstant& from = input(index);
  if (from.is_integer()) fail("expected floats as input {}, got integers", index);
  return from.floats();
}

const Integers& Call::list(size_t index) const {
  const Integers& values = integers(index);
  if (input(index).shape.size() > 1) {
    fail("expected a list as input {}, got shape {}", index, to_text(input(index).shape));
  }
  return values;
}

std::optional<Integers> Call::list(std::string_view attribute, size_t index) const {
  if (has(index)) return list(index);
  if (const Integers* values = find<Integers>(attribute)) return *values;
  return std::nullopt;
}

Integers Call::needed_list(std::string_view attribute, size_t index) const {
  std::optional<Integers> values = list(attribute, index);
  if (!values) fail("expected {} as input {} or attribute, got none", attribute, index);
  return *std::move(values);
}

size_t Call::axis(int64_t axis, size_t rank) const {
  const auto axes = static_cast<int64_t>(rank);
  if (axis < -axes || axis >= axes) fail("expected an axis from {} to {}, got {}", -axes, axes - 1, axis);
  return static_cast<size_t>(axis < 0 ? axis + axes : axis);
}

std::vector<size_t> Call::axes(const Integers& axes, size_t rank) const {
  if (axes.size() > rank) fail("expected at most {} axes, got {}", rank, axes.size());
  std::vector<size_t> found;
  for (const int64_t each : axes) {
    const size_t place = axis(each, rank);
    if (std::ranges::count(found, place) != 0) fail("expected each axis once, got {} twice", place);
    found.push_back(place);
  }
  return found;
}

int64_t Call::count(const Integers& shape) const {
  if (shape.size() > kMostAxes) fail("expected at most {} axes, got {}", kMostAxes, shape.size());
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent < 0) fail("expected no negative extents, got shape {}", to_text(shape));
    const int64_t factor = std::max<int64_t>(extent, 1);
    if (factor > most_ / count) fail("expected at most {} elements, got shape {}", most_, to_text(shape));
    count *= factor;
  }
  return product(shape);
}

Integers Call::broadcast(const Integers& left, const Integers& right) const {
  const Integers& longer = left.size() < right.size() ? right : left;
  const Integers& shorter = left.size() < right.size() ? left : right;
  Integers shape = longer;
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& extent = shape[longer.size() - shorter.size() + i];
    if (extent == 1) extent = shorter[i];
    if (shorter[i] != 1 && shorter[i] != extent) {
      fail("expected shapes that broadcast, got {} and {}", to_text(left), to_text(right));
    }
  }
  count(shape);
  return shape;
}

OnnxConstant zeros(const OnnxConstant& like, const Integers& shape) {
  const auto count = static_cast<size_t>(product(shape));
  return std::visit(
      [&]<class T>(const std::vector<T>&) -> OnnxConstant {
        return {shape, std::vector<T>(count)};
      },
      like.values);
}

OnnxConstant take(const OnnxConstant& from, Integers shape, const View& view) {
  return std::visit(
      [&]<class T>(const std::vector<T>& values) -> OnnxConstant {
        std::vector<T> block(static_cast<size_t>(product(shape)));
        walk(shape, view, [&](size_t i, size_t place) { block[i] = values[place]; });
        return {std::move(shape), std::move(block)};
      },
      from.values);
}

void put(OnnxConstant& into, const OnnxConstant& block, const View& view) {
  std::visit(
      [&]<class Values>(const Values& values) {
        Values& places = std::get<Values>(into.values);
        walk(block.shape, view, [&](size_t i, size_t place) { places[place] = values[i]; });
      },
      block.values);
}

OnnxConstant expand(const OnnxConstant& from, const Integers& shape) {
  const Integers strides = strides_of(from.shape);
  const size_t added = shape.size() - from.shape.size();
  View view{Integers(shape.size(), 0)};
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    if (from.shape[axis] != 1) view.strides[added + axis] = strides[axis];
  }
  return take(from, shape, view);
}

}  // namespace convoy::folding
