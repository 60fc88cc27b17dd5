// Ops that give elements other places.
#include <algorithm>
#include <array>
#include <numeric>

#include "inference/onnx_fold_call.h"

namespace convoy::folding {
namespace {

OnnxConstant reshaped(const OnnxConstant& from, Integers shape) { return {std::move(shape), from.values}; }

int64_t start_along(const Integers& shape, size_t axis, int64_t place) { return strides_of(shape)[axis] * place; }

OnnxConstant concat(const Call& call) {
  const int64_t* axis_attribute = call.find<int64_t>("axis");
  if (axis_attribute == nullptr) call.fail("expected an attribute axis, got none");
  const OnnxConstant& first = call.input(0);
  const size_t axis = call.axis(*axis_attribute, first.shape.size());
  Integers shape = first.shape;
  for (size_t i = 1; i < call.num_inputs(); ++i) {
    const OnnxConstant& next = call.input(i);
    Integers same = next.shape;
    if (axis < same.size()) same[axis] = first.shape[axis];
    if (same != first.shape || next.is_integer() != first.is_integer()) {
      call.fail("expected inputs of one type that differ along axis {} alone, got {} and {}", axis,
                to_text(first.shape), to_text(next.shape));
    }
    shape[axis] += next.shape[axis];
    call.count(shape);
  }
  OnnxConstant joined = zeros(first, shape);
  int64_t place = 0;
  for (size_t i = 0; i < call.num_inputs(); ++i) {
    put(joined, call.input(i), {strides_of(shape), start_along(shape, axis, place)});
    place += call.input(i).shape[axis];
  }
  return joined;
}

OnnxConstant expand_op(const Call& call) {
  return expand(call.input(0), call.broadcast(call.input(0).shape, call.list(1)));
}

OnnxConstant flatten(const Call& call) {
  const Integers& shape = call.input(0).shape;
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t axis = call.get<int64_t>("axis", 1);
  if (axis < -rank || axis > rank) call.fail("expected an axis from {} to {}, got {}", -rank, rank, axis);
  const std::span<const int64_t> extents(shape);
  const auto split = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return reshaped(call.input(0), {product(extents.first(split)), product(extents.subspan(split))});
}

OnnxConstant identity(const Call& call) { return call.input(0); }

// Elements before and behind each axis.
struct Padding {
  Integers before, behind;
};

Padding padding_of(const Call& call, size_t rank) {
  const Integers pads = call.needed_list("pads", 1);
  Integers named(rank);
  std::iota(named.begin(), named.end(), 0);
  if (call.has(3)) named = call.list(3);
  const std::vector<size_t> axes = call.axes(named, rank);
  if (pads.size() != 2 * axes.size()) call.fail("expected {} pads, got {}", 2 * axes.size(), pads.size());
  for (const int64_t pad : pads) {
    if (pad < -kMostElements || pad > kMostElements) {
      call.fail("expected pads from {} to {}, got {}", -kMostElements, kMostElements, pad);
    }
  }
  Padding padding{Integers(rank, 0), Integers(rank, 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    padding.before[axes[i]] = pads[i];
    padding.behind[axes[i]] = pads[axes.size() + i];
  }
  return padding;
}

OnnxConstant padded_with(const Call& call, const Integers& shape) {
  const auto count = static_cast<size_t>(call.count(shape));
  if (call.has(2)) {
    if (product(call.input(2).shape) != 1 || call.input(2).is_integer() != call.input(0).is_integer()) {
      call.fail("expected one number of the input's type to pad with, got shape {}", to_text(call.input(2).shape));
    }
    return take(call.input(2), shape, {Integers(shape.size(), 0)});
  }
  if (call.input(0).is_integer()) return zeros(call.input(0), shape);
  return {shape, Floats(count, call.get<float>("value", 0))};
}

OnnxConstant pad(const Call& call) {
  const auto mode = call.get<std::string>("mode", "constant");
  if (mode != "constant") call.fail("expected mode constant, got {}", mode);
  const Integers& from = call.input(0).shape;
  const auto [before, behind] = padding_of(call, from.size());
  Integers shape = from, kept = from;
  View source{strides_of(from)};
  for (size_t axis = 0; axis < from.size(); ++axis) {
    shape[axis] += before[axis] + behind[axis];
    const int64_t first = std::max<int64_t>(0, -before[axis]);
    const int64_t end = std::min(from[axis], from[axis] + behind[axis]);
    kept[axis] = std::max<int64_t>(0, end - first);
    source.start += source.strides[axis] * first;
  }
  OnnxConstant padded = padded_with(call, shape);
  if (product(kept) == 0) return padded;
  View target{strides_of(shape)};
  for (size_t axis = 0; axis < from.size(); ++axis) {
    target.start += target.strides[axis] * std::max<int64_t>(0, before[axis]);
  }
  put(padded, take(call.input(0), kept, source), target);
  return padded;
}

OnnxConstant reshape(const Call& call) {
  const Integers& from = call.input(0).shape;
  const Integers wanted = call.needed_list("shape", 1);
  const bool allow_zero = call.get<int64_t>("allowzero", 0) != 0;
  if (std::ranges::count(wanted, -1) > 1) call.fail("expected -1 once, got shape {}", to_text(wanted));
  Integers shape = wanted;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allow_zero && i >= from.size()) {
      call.fail("expected an axis {} to copy, got shape {}", i, to_text(from));
    }
    if (shape[i] == 0 && !allow_zero) shape[i] = from[i];
  }
  const auto inferred = std::ranges::find(shape, -1);
  const int64_t elements = product(from);
  if (inferred != shape.end()) {
    *inferred = 1;
    const int64_t others = call.count(shape);
    if (others == 0 || elements % others != 0) {
      call.fail("expected a shape of {} elements, got {}", elements, to_text(wanted));
    }
    *inferred = elements / others;
  }
  if (call.count(shape) != elements) call.fail("expected a shape of {} elements, got {}", elements, to_text(wanted));
  return reshaped(call.input(0), shape);
}

// What Slice takes along one axis.
struct Range {
  int64_t first = 0, count = 0;
};

// Negative ends count from the back; what lies outside is clamped.
Range range_of(int64_t extent, int64_t start, int64_t end, int64_t step) {
  if (extent == 0) return {};
  if (start < 0) start += extent;
  if (end < 0) end += extent;
  const bool forward = step > 0;
  start = std::clamp<int64_t>(start, 0, forward ? extent : extent - 1);
  end = std::clamp<int64_t>(end, forward ? 0 : -1, forward ? extent : extent - 1);
  const int64_t distance = forward ? end - start : start - end;
  if (distance <= 0) return {};
  const uint64_t stride = forward ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  return {start, static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / stride) + 1};
}

OnnxConstant slice(const Call& call) {
  const OnnxConstant& from = call.input(0);
  const Integers starts = call.needed_list("starts", 1), ends = call.needed_list("ends", 2);
  Integers otherwise(starts.size());
  std::iota(otherwise.begin(), otherwise.end(), 0);
  const std::vector<size_t> axes = call.axes(call.list("axes", 3).value_or(otherwise), from.shape.size());
  const Integers steps = call.has(4) ? call.list(4) : Integers(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    call.fail("expected as many starts, ends, axes and steps, got {}, {}, {} and {}", starts.size(), ends.size(),
              axes.size(), steps.size());
  }
  Integers shape = from.shape;
  View view{strides_of(shape)};
  for (size_t i = 0; i < axes.size(); ++i) {
    if (steps[i] == 0) call.fail("expected steps other than 0, got 0");
    const auto [first, count] = range_of(from.shape[axes[i]], starts[i], ends[i], steps[i]);
    int64_t& stride = view.strides[axes[i]];
    shape[axes[i]] = count;
    view.start += stride * first;
    stride = count > 1 ? stride * steps[i] : 0;
  }
  return take(from, shape, view);
}

// Of equal parts, of which the last may be smaller from opset 18 on.
Integers equal_sizes(const Call& call, int64_t extent) {
  const auto parts = static_cast<int64_t>(call.num_outputs());
  const int64_t named = call.get<int64_t>("num_outputs", parts);
  if (parts == 0) call.fail("expected an output, got none");
  if (named != parts) call.fail("expected {} outputs, got {}", named, parts);
  const int64_t size = (extent + parts - 1) / parts;
  const int64_t last = extent - size * (parts - 1);
  if (last < 0 || (call.opset() < 18 && last != size)) {
    call.fail("expected an extent that {} outputs share, got {}", parts, extent);
  }
  Integers sizes(call.num_outputs(), size);
  sizes.back() = last;
  return sizes;
}

Outputs split(const Call& call) {
  const OnnxConstant& from = call.input(0);
  const size_t axis = call.axis(call.get<int64_t>("axis", 0), from.shape.size());
  const int64_t extent = from.shape[axis];
  const Integers sizes = call.list("split", 1).value_or(Integers{});
  const Integers parts = sizes.empty() ? equal_sizes(call, extent) : sizes;
  if (parts.size() != call.num_outputs()) call.fail("expected {} sizes, got {}", call.num_outputs(), parts.size());
  Outputs outputs;
  int64_t place = 0;
  for (const int64_t part : parts) {
    if (part < 0 || part > extent - place)
      call.fail("expected sizes that sum up to {}, got {}", extent, to_text(parts));
    Integers shape = from.shape;
    shape[axis] = part;
    outputs.push_back(take(from, shape, {strides_of(from.shape), start_along(from.shape, axis, place)}));
    place += part;
  }
  if (place != extent) call.fail("expected sizes that sum up to {}, got {}", extent, to_text(parts));
  return outputs;
}

OnnxConstant squeeze(const Call& call) {
  const Integers& from = call.input(0).shape;
  const std::optional<Integers> named = call.list("axes", 1);
  const std::vector<size_t> axes = call.axes(named.value_or(Integers{}), from.size());
  Integers shape;
  for (size_t axis = 0; axis < from.size(); ++axis) {
    const bool dropped = named ? std::ranges::count(axes, axis) != 0 : from[axis] == 1;
    if (!dropped) shape.push_back(from[axis]);
    if (dropped && from[axis] != 1) call.fail("expected an axis {} of extent 1, got {}", axis, to_text(from));
  }
  return reshaped(call.input(0), shape);
}

// Axis by axis, each as two: the repeats and the places.
OnnxConstant tile(const Call& call) {
  const Integers& from = call.input(0).shape;
  const Integers& repeats = call.list(1);
  if (repeats.size() != from.size()) call.fail("expected {} repeats, got {}", from.size(), repeats.size());
  call.count(repeats);
  Integers shape, pairs;
  View view;
  for (size_t axis = 0; axis < from.size(); ++axis) {
    shape.push_back(from[axis] * repeats[axis]);
    pairs.insert(pairs.end(), {repeats[axis], from[axis]});
    view.strides.insert(view.strides.end(), {0, strides_of(from)[axis]});
  }
  call.count(shape);
  OnnxConstant tiled = take(call.input(0), pairs, view);
  tiled.shape = shape;
  return tiled;
}

OnnxConstant transpose(const Call& call) {
  const Integers& from = call.input(0).shape;
  Integers order(from.size());
  std::iota(order.rbegin(), order.rend(), 0);
  if (const Integers* named = call.find<Integers>("perm")) order = *named;
  if (order.size() != from.size()) call.fail("expected {} axes in perm, got {}", from.size(), order.size());
  Integers shape;
  View view;
  for (const size_t axis : call.axes(order, from.size())) {
    shape.push_back(from[axis]);
    view.strides.push_back(strides_of(from)[axis]);
  }
  return take(call.input(0), shape, view);
}

OnnxConstant unsqueeze(const Call& call) {
  const Integers& from = call.input(0).shape;
  const Integers added = call.needed_list("axes", 1);
  const size_t rank = from.size() + added.size();
  if (rank > kMostAxes) call.fail("expected at most {} axes, got {}", kMostAxes, rank);
  const std::vector<size_t> axes = call.axes(added, rank);
  Integers shape;
  size_t next = 0;
  for (size_t axis = 0; axis < rank; ++axis) {
    shape.push_back(std::ranges::count(axes, axis) != 0 ? 1 : from[next++]);
  }
  return reshaped(call.input(0), shape);
}

constexpr std::array kFolds{
    Fold{"Concat", single<concat>},
    Fold{"Expand", single<expand_op>},
    Fold{"Flatten", single<flatten>},
    Fold{"Identity", single<identity>},
    Fold{"Pad", single<pad>},
    Fold{"Reshape", single<reshape>},
    Fold{"Slice", single<slice>},
    Fold{"Split", split},
    Fold{"Squeeze", single<squeeze>},
    Fold{"Tile", single<tile>},
    Fold{"Transpose", single<transpose>},
    Fold{"Unsqueeze", single<unsqueeze>},
};

}  // namespace

std::span<const Fold> layout_folds() { return kFolds; }

}  // namespace convoy::folding
