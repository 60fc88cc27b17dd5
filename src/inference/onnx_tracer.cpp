#include "inference/onnx_tracer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "convoy/error.h"
#include "core/text.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

Shape shape_of(const Integers& extents) { return Shape(std::span<const int64_t>(extents)); }

int64_t product(const Integers& extents) {
  return std::accumulate(extents.begin(), extents.end(), int64_t{1}, std::multiplies<>());
}

// The extents of the value that holds a tensor of that shape.
Integers value_extents(const Integers& shape, const Axes& axes) {
  Integers extents;
  for (const int axis : axes) extents.push_back(shape[static_cast<size_t>(axis)]);
  return extents;
}

int position(const Axes& axes, int axis) { return static_cast<int>(std::ranges::find(axes, axis) - axes.begin()); }

Axes plain(int rank) {
  Axes axes(static_cast<size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

void put_first(Axes& axes, int axis) {
  if (axis < 0) return;
  const auto found = std::ranges::find(axes, axis);
  std::rotate(axes.begin(), found, found + 1);
}

// The elements of a tensor with its axes in another order.
std::vector<float> permuted(const std::vector<float>& values, const Integers& shape, const Axes& axes) {
  Integers strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  std::vector<float> result;
  result.reserve(values.size());
  Integers index(axes.size(), 0);
  int64_t from = 0;
  for (size_t count = values.size(); count > 0; --count) {
    result.push_back(values[static_cast<size_t>(from)]);
    for (size_t i = axes.size(); i-- > 0;) {
      const auto axis = static_cast<size_t>(axes[i]);
      from += strides[axis];
      if (++index[i] < shape[axis]) break;
      from -= index[i] * strides[axis];
      index[i] = 0;
    }
  }
  return result;
}

// Of {outer, rows, inner}, {outer, 1, inner}: what was repeated for every image.
std::vector<float> only_row(const std::vector<float>& values, int64_t rows, int64_t inner) {
  std::vector<float> result;
  for (auto row = values.begin(); row != values.end(); row += rows * inner) {
    for (int64_t i = 1; i < rows; ++i) {
      if (!std::equal(row, row + inner, row + i * inner)) {
        throw Error("expected a constant that is the same for every image");
      }
    }
    result.insert(result.end(), row, row + inner);
  }
  return result;
}

bool all_alike(const std::vector<float>& values) {
  return !values.empty() && std::ranges::all_of(values, [&](float value) { return value == values[0]; });
}

}  // namespace

Integers broadcast_shape(const Integers& a, const Integers& b, const OnnxCall& call) {
  Integers shape(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1, right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) {
      call.refuse(
          fmt::format("expected shapes that broadcast, got {{{}}} and {{{}}}", fmt::join(a, ", "), fmt::join(b, ", ")));
    }
    shape[shape.size() - 1 - i] = std::max(left, right);
  }
  return shape;
}

OnnxTracer::OnnxTracer(const OnnxModel& model, OnnxNetwork& network) : model_(model), network_(network) {
  for (const OnnxNode& node : model.nodes) {
    for (const std::string& output : node.outputs) {
      if (!output.empty()) producers_[output] = &node;
    }
    for (const std::string& input : node.inputs) consumers_[input].push_back(&node);
  }
  for (const OnnxValue& output : model.outputs) consumers_[output.name].push_back(nullptr);
}

const Traced& OnnxTracer::at(const std::string& name) const {
  const auto found = traced_.find(name);
  if (found == traced_.end()) throw Error(fmt::format("no earlier node makes its input {}", quote_name(name)));
  return found->second;
}

const OnnxNode* OnnxTracer::producer(const std::string& name) const {
  const auto found = producers_.find(name);
  return found == producers_.end() ? nullptr : found->second;
}

const OnnxNode* OnnxTracer::only_consumer(const std::string& name) const {
  const auto found = consumers_.find(name);
  return found == consumers_.end() || found->second.size() != 1 ? nullptr : found->second[0];
}

Traced OnnxTracer::computed(Value value, Axes axes, Integers shape, int batch, int64_t before) {
  Traced traced;
  traced.value = value;
  traced.axes = std::move(axes);
  traced.shape = std::move(shape);
  traced.batch = batch;
  traced.before = before;
  return traced;
}

Traced OnnxTracer::constant(OnnxConstant one, OnnxConstant two, std::string source) {
  Traced traced;
  traced.shape = one.shape;
  for (size_t i = 0; i < one.shape.size() && i < two.shape.size(); ++i) {
    if (one.shape[i] != two.shape[i]) traced.batch = static_cast<int>(i);
  }
  traced.one = std::move(one);
  traced.two = std::move(two);
  traced.source = std::move(source);
  return traced;
}

Axes OnnxTracer::plain_axes(const Traced& x) const {
  Axes axes = plain(x.rank());
  put_first(axes, x.batch);
  return axes;
}

Axes OnnxTracer::channels_last(const Traced& x) const {
  Axes axes = plain(x.rank());
  std::rotate(axes.begin() + 1, axes.begin() + 2, axes.end());
  return axes;
}

Axes OnnxTracer::with_last(const Traced& x, const Axes& last) const {
  Axes axes;
  for (const int axis : x.axes) {
    if (std::ranges::find(last, axis) == last.end()) axes.push_back(axis);
  }
  axes.insert(axes.end(), last.begin(), last.end());
  return axes;
}

Value OnnxTracer::ordered(const Traced& x, const Axes& axes) {
  if (x.axes == axes) return x.value;
  if (x.batch >= 0 && axes[0] != x.batch) {
    throw Error(fmt::format("the images lie along axis {}, where they would be mixed with one another", x.batch));
  }
  std::vector<int> perm;
  for (const int axis : axes) perm.push_back(position(x.axes, axis));
  // Axes of one element may go anywhere without a move of elements.
  int last = -1;
  bool moves = false;
  for (const int from : perm) {
    if (x.shape[static_cast<size_t>(x.axes[static_cast<size_t>(from)])] == 1) continue;
    moves = moves || from < last;
    last = from;
  }
  if (moves) return transpose(x.value, perm);
  return reshape(x.value, shape_of(value_extents(x.shape, axes)));
}

Traced OnnxTracer::transposed(const Traced& x, const Axes& perm) const {
  Traced result = x;
  Axes to(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    to[static_cast<size_t>(perm[i])] = static_cast<int>(i);
    result.shape[i] = x.shape[static_cast<size_t>(perm[i])];
  }
  for (int& axis : result.axes) axis = to[static_cast<size_t>(axis)];
  if (x.batch >= 0) result.batch = to[static_cast<size_t>(x.batch)];
  return result;
}

Value OnnxTracer::weight(const std::string& name, const std::string& source, const Shape& shape,
                         std::vector<float> values, FileLayout layout, bool trained, Role role, DType type) {
  std::string unique = printable(name) == name && !name.empty() && name != "images" ? name : "weight";
  const std::string stem = unique;
  for (int copy = 2; network_.weights.contains(unique); ++copy) {
    const ValueId id = graph().named(unique);
    const ValueInfo& other = graph().value(id);
    if ((other.kind == ValueKind::parameter) == trained && other.type == TensorType{shape, type} &&
        other.layout == layout && network_.weights[unique] == values)
      return {&graph(), id};
    unique = fmt::format("{}.{}", stem, copy);
  }
  network_.weights[unique] = std::move(values);
  network_.sources[unique] = source.empty() ? name : source;
  const Builder b(graph());
  const Initializer start = Initializer::constant(0);
  return trained ? b.parameter(unique, shape, start, layout, role, type) : b.state(unique, shape, start, layout);
}

std::string OnnxTracer::weight_name(const Traced& x, const OnnxNode& node, std::string_view leaf) const {
  if (!x.source.empty()) return x.source;
  return fmt::format("{}.{}", node.name.empty() ? node.outputs[0] : node.name, leaf);
}

Value OnnxTracer::value_of(const Traced& x, const Axes& axes, std::string_view role) {
  if (x.one->is_integer()) throw Error("expected floats, got integers");
  const std::vector<float>& values = x.one->floats();
  const Shape shape = shape_of(value_extents(x.shape, axes));
  if (all_alike(values) && x.source.empty()) return uniform(shape, values[0]);
  return weight(weight_name(x, *node_, role), x.source, shape, permuted(values, x.shape, axes), FileLayout::same,
                !x.source.empty());
}

Value OnnxTracer::like_value(const Traced& x, const Traced& like, std::string_view role) {
  Traced aligned = x;
  if (x.rank() > like.rank()) throw Error("expected a constant of at most as many axes");
  const size_t missing = like.shape.size() - x.shape.size();
  aligned.shape.insert(aligned.shape.begin(), missing, 1);
  if (x.batch >= 0 && !x.one->is_integer()) {
    const auto at = aligned.shape.begin() + static_cast<std::ptrdiff_t>(missing) + x.batch;
    aligned.one->values = only_row(x.one->floats(), *at, product({at + 1, aligned.shape.end()}));
    *at = 1;
  }
  return value_of(aligned, like.axes, role);
}

Traced OnnxTracer::joined(const std::vector<Traced>& parts, int axis) {
  const Traced& like = *std::ranges::find_if(parts, [](const Traced& part) { return !part.is_known(); });
  if (axis == like.batch) throw Error("it joins along the axis of the images");
  for (const Traced& part : parts) {
    if (is_bytes(part) != is_bytes(like) || part.has_sign != like.has_sign) {
      throw Error("expected parts of one type: floats, bytes with a sign, or bytes without");
    }
  }
  Traced result = like;
  result.shape[static_cast<size_t>(axis)] = 0;
  const int at = position(like.axes, axis);
  std::vector<Value> values;
  for (const Traced& part : parts) {
    Value value;
    if (part.is_known()) {
      value = like_value(part, like, "constant");
      if (like.batch >= 0) {
        Integers rows = value_extents(like.shape, like.axes), column(rows.size(), 1);
        column[0] = rows[0];
        const Value flat = reshape(like.value, {rows[0], product(rows) / rows[0]});
        value = expand(value, reshape(slice_channels(flat, 0, 1), shape_of(column)));
      }
    } else {
      value = ordered(part, like.axes);
    }
    result.shape[static_cast<size_t>(axis)] += part.shape[static_cast<size_t>(axis)];
    // The axis and what lies behind it become one, which is the last.
    Integers rows = value_extents(part.shape, like.axes);
    const int64_t inner = product({rows.begin() + at, rows.end()});
    rows.resize(static_cast<size_t>(at));
    if (at == 0) rows.push_back(1);
    rows.push_back(inner);
    const bool is_last = at > 0 && at + 1 == like.rank();
    values.push_back(is_last ? value : reshape(value, shape_of(rows)));
  }
  result.value = values.size() == 1 ? values[0] : concat(values);
  const Shape shape = shape_of(value_extents(result.shape, result.axes));
  if (at == 0 || at + 1 < like.rank()) result.value = reshape(result.value, shape);
  return result;
}

Traced OnnxTracer::sliced(const Traced& x, int axis, int64_t begin, int64_t end, int64_t step) {
  const auto at_axis = static_cast<size_t>(axis);
  const int64_t extent = x.shape[at_axis], count = step > 0 ? (end - begin + step - 1) / step : 0;
  if (step < 0) {
    constexpr int64_t kMostParts = 4096;
    std::vector<Traced> parts;
    for (int64_t i = begin; i > end && std::ssize(parts) < kMostParts; i += step)
      parts.push_back(sliced(x, axis, i, i + 1));
    if (parts.empty() || std::ssize(parts) == kMostParts) throw Error("it cuts out nothing, or too much backwards");
    return joined(parts, axis);
  }
  if (count <= 0) throw Error("it cuts out nothing");
  if (axis == x.batch) {
    if (begin == 0 && step == 1 && end == extent) return x;
    throw Error("it cuts the axis of the images");
  }
  if (step > 1) {
    const int64_t needed = begin + count * step;
    Traced whole = needed > extent ? padded(x, axis, 0, needed - extent, 0) : x;
    whole = sliced(whole, axis, begin, needed);
    Integers split = whole.shape;
    split[at_axis] = count;
    split.insert(split.begin() + axis + 1, step);
    Traced first = sliced(reshaped(whole, split), axis + 1, 0, 1);
    split.erase(split.begin() + axis + 1);
    return reshaped(first, split);
  }
  if (begin == 0 && end == extent) return x;
  const int at = position(x.axes, axis);
  Integers rows = value_extents(x.shape, x.axes);
  const int64_t inner = product({rows.begin() + at + 1, rows.end()});
  rows.resize(static_cast<size_t>(at));
  if (at == 0) rows.push_back(1);
  rows.push_back(extent * inner);
  const bool is_last = at > 0 && at + 1 == x.rank();
  Traced result = x;
  result.shape[at_axis] = count;
  result.value = slice_channels(is_last ? x.value : reshape(x.value, shape_of(rows)), begin * inner, end * inner);
  if (!is_last) result.value = reshape(result.value, shape_of(value_extents(result.shape, x.axes)));
  return result;
}

Traced OnnxTracer::padded(const Traced& x, int axis, int64_t before, int64_t after, float fill) {
  if (is_bytes(x) && (before > 0 || after > 0)) throw Error("it pads bytes");
  const auto at = static_cast<size_t>(axis);
  Traced cut = x;
  if (before < 0 || after < 0) {
    cut = sliced(x, axis, std::max<int64_t>(0, -before), x.shape[at] + std::min<int64_t>(0, after));
  }
  std::vector<Traced> parts;
  const auto add = [&](int64_t extent) {
    if (extent <= 0) return;
    OnnxConstant zeros{x.shape, {}};
    zeros.shape[at] = extent;
    if (x.batch >= 0) zeros.shape[static_cast<size_t>(x.batch)] = 1;
    constexpr int64_t kMost = int64_t{1} << 26;
    if (shape_of(zeros.shape).elements() > kMost) throw Error("it pads with more than 2^26 elements");
    zeros.values = std::vector<float>(static_cast<size_t>(shape_of(zeros.shape).elements()), fill);
    parts.push_back(constant(zeros, zeros));
  };
  add(before);
  parts.push_back(cut);
  add(after);
  return parts.size() == 1 ? cut : joined(parts, axis);
}

Traced OnnxTracer::added(const Traced& x, float value) {
  return alike(add(x.value, expand(uniform({1}, value), x.value)), x);
}

Traced OnnxTracer::scaled(const Traced& x, float factor) { return factor == 1 ? x : alike(scale(x.value, factor), x); }

Traced OnnxTracer::mean(const Traced& x, std::set<int> axes) {
  std::erase_if(axes, [&](int axis) { return axis != x.batch && x.shape[static_cast<size_t>(axis)] == 1; });
  if (axes.empty()) return x;
  if (axes.contains(x.batch)) throw Error("it reduces the axis of the images");
  Traced ready = x;
  const auto first = std::ranges::find_if(x.axes, [&](int axis) { return axes.contains(axis); });
  const bool together = first + std::ssize(axes) <= x.axes.end() &&
                        std::all_of(first, first + std::ssize(axes), [&](int axis) { return axes.contains(axis); });
  if (!together) {
    ready.axes = with_last(x, Axes(axes.begin(), axes.end()));
    ready.value = ordered(x, ready.axes);
  }
  int64_t outer = 1, reduced = 1, inner = 1;
  for (const int axis : ready.axes) {
    const int64_t extent = x.shape[static_cast<size_t>(axis)];
    (axes.contains(axis) ? reduced : reduced > 1 ? inner : outer) *= extent;
  }
  Traced result = ready;
  for (const int axis : axes) result.shape[static_cast<size_t>(axis)] = 1;
  const Shape& shape = ready.value.shape();
  const bool maps = shape.rank() == 4 && shape[0] == outer && shape[3] == inner;
  const Value pooled = adaptive_avg_pool(maps ? ready.value : reshape(ready.value, {outer, reduced, 1, inner}), 1);
  const Shape wanted = shape_of(value_extents(result.shape, result.axes));
  result.value = pooled.shape() == wanted ? pooled : reshape(pooled, wanted);
  return result;
}

}  // namespace convoy
