// Reshaping, joining, cutting, reducing and resizing.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "convoy/error.h"
#include "convoy/unary.h"
#include "inference/onnx_resize.h"
#include "inference/onnx_tracer.h"
#include "ops/append.h"
#include "ops/conv2d/conv2d.h"

namespace convoy {
namespace {

// The shape with as many images as `doubled` says.
Integers shape_with(const Traced& x, bool doubled) {
  Integers shape = x.shape;
  if (doubled && x.batch >= 0) shape[static_cast<size_t>(x.batch)] *= 2;
  return shape;
}

int64_t elements_of(const Integers& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

// The shape that Reshape makes of `from`; nothing where it has other elements.
std::optional<Integers> resolved(const Integers& from, Integers to, bool allow_zero) {
  int64_t known = 1;
  int free = -1;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && !allow_zero) {
      if (i >= from.size()) return std::nullopt;
      to[i] = from[i];
    }
    if (to[i] == -1 && free < 0) {
      free = static_cast<int>(i);
    } else if (to[i] <= 0 || __builtin_mul_overflow(known, to[i], &known)) {
      return std::nullopt;
    }
  }
  if (free >= 0) {
    if (elements_of(from) % known != 0) return std::nullopt;
    to[static_cast<size_t>(free)] = elements_of(from) / known;
  }
  if (elements_of(to) != elements_of(from)) return std::nullopt;
  return to;
}

void lower_reshape(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  const bool allow_zero = call.integer("allowzero", 0) != 0;
  const bool listed = !call.has(1);
  const Integers one = listed ? call.integers("shape", {}) : call.known_integers(1, "shape");
  const Integers two = listed ? one : call.input(1).two->integers();
  const auto to = resolved(x.shape, one, allow_zero);
  if (!to) {
    call.refuse(fmt::format("{{{}}} cannot become {{{}}}", fmt::join(x.shape, ", "), fmt::join(one, ", ")));
  }
  // A model written for one image names the shape of one, which says nothing of two.
  const auto to_two = call.tracer().any_batch() ? resolved(shape_with(x, true), two, allow_zero) : std::nullopt;
  call.set(0, call.tracer().reshaped(x, *to, to_two));
}

// To a shape that the node makes of the input's, for one image or for two.
template <class Make>
void reshape_by(OnnxCall& call, const Make& make) {
  const Traced& x = call.computed_input(0);
  call.set(0, call.tracer().reshaped(x, make(x.shape), make(shape_with(x, true))));
}

void lower_flatten(OnnxCall& call) {
  const int rank = call.input(0).rank();
  const int64_t given = call.integer("axis", 1);
  const int axis = given == rank ? rank : call.axis(given, rank);
  reshape_by(call, [&](const Integers& shape) {
    return Integers{elements_of({shape.begin(), shape.begin() + axis}),
                    elements_of({shape.begin() + axis, shape.end()})};
  });
}

// Axes as an input or, before opset 13, as an attribute.
Integers axes_of(const OnnxCall& call, size_t input = 1) {
  return call.has(input) ? call.known_integers(input, "axes") : call.integers("axes", {});
}

void lower_squeeze(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  std::set<int> axes;
  for (const int64_t axis : axes_of(call)) axes.insert(call.axis(axis, x.rank()));
  const bool all = axes.empty();
  reshape_by(call, [&](const Integers& shape) {
    Integers to;
    for (int i = 0; i < x.rank(); ++i) {
      const bool goes = all ? x.shape[static_cast<size_t>(i)] == 1 && i != x.batch : axes.contains(i);
      if (!goes) to.push_back(shape[static_cast<size_t>(i)]);
    }
    return to;
  });
}

void lower_unsqueeze(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  const Integers given = axes_of(call);
  const int rank = x.rank() + static_cast<int>(given.size());
  std::set<int> axes;
  for (const int64_t axis : given) axes.insert(call.axis(axis, rank));
  if (axes.size() != given.size()) call.refuse("it has an axis twice");
  // The images stay along their axis: nothing is to be guessed.
  Traced result = x;
  Axes places;
  result.shape.clear();
  for (int i = 0, own = 0; i < rank; ++i) {
    if (axes.contains(i)) {
      result.shape.push_back(1);
    } else {
      places.push_back(i);
      result.shape.push_back(x.shape[static_cast<size_t>(own++)]);
    }
  }
  for (int& axis : result.axes) axis = places[static_cast<size_t>(axis)];
  result.axes.insert(result.axes.end(), axes.begin(), axes.end());
  if (x.batch >= 0) result.batch = places[static_cast<size_t>(x.batch)];
  Integers extents;
  for (const int axis : result.axes) extents.push_back(result.shape[static_cast<size_t>(axis)]);
  result.value = reshape(x.value, Shape(std::span<const int64_t>(extents)));
  call.set(0, result);
}

void lower_transpose(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  Integers reversed(x.shape.size());
  for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = static_cast<int64_t>(reversed.size() - 1 - i);
  Axes perm;
  for (const int64_t axis : call.integers("perm", reversed)) perm.push_back(call.axis(axis, x.rank()));
  if (std::set<int>(perm.begin(), perm.end()).size() != x.shape.size() || perm.size() != x.shape.size()) {
    call.refuse("expected each axis once in perm");
  }
  call.set(0, call.tracer().transposed(x, perm));
}

void lower_concat(OnnxCall& call) {
  std::vector<Traced> parts;
  for (size_t i = 0; i < call.input_count(); ++i) parts.push_back(call.input(i));
  const int rank = parts.at(0).rank(), axis = call.axis(call.integer("axis", 1), rank);
  for (const Traced& part : parts) {
    bool fits = part.rank() == rank;
    for (int i = 0; fits && i < rank; ++i) {
      const auto k = static_cast<size_t>(i);
      fits = i == axis || part.shape[k] == parts[0].shape[k];
    }
    if (!fits) call.refuse("expected parts that are alike but for the axis along which they are joined");
  }
  call.set(0, call.tracer().joined(parts, axis));
}

int64_t clamped(int64_t value, int64_t extent, int64_t low, int64_t high) {
  return std::clamp(value < 0 ? value + extent : value, low, high);
}

void lower_slice(OnnxCall& call) {
  const Traced* x = &call.computed_input(0);
  const bool listed = !call.has(1);
  const Integers starts = listed ? call.integers("starts", {}) : call.known_integers(1, "starts");
  const Integers ends = listed ? call.integers("ends", {}) : call.known_integers(2, "ends");
  Integers axes(starts.size()), steps(starts.size(), 1);
  std::iota(axes.begin(), axes.end(), 0);
  if (listed) axes = call.integers("axes", axes);
  if (call.has(3)) axes = call.known_integers(3, "axes");
  if (call.has(4)) steps = call.known_integers(4, "steps");
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    call.refuse("expected as many starts, ends, axes and steps");
  }
  Traced result = *x;
  for (size_t i = 0; i < starts.size(); ++i) {
    const int axis = call.axis(axes[i], result.rank());
    const int64_t extent = result.shape[static_cast<size_t>(axis)], step = steps[i];
    if (step == 0 || step > INT32_MAX || step < INT32_MIN) call.refuse("expected steps other than 0");
    // Along the images all of them are taken, however many there are.
    if (axis == result.batch && clamped(starts[i], extent, 0, extent) == 0 && step == 1 && ends[i] > INT32_MAX / 2)
      continue;
    const int64_t begin = clamped(starts[i], extent, 0, step > 0 ? extent : extent - 1);
    const int64_t end = clamped(ends[i], extent, step > 0 ? 0 : -1, step > 0 ? extent : extent - 1);
    result = call.tracer().sliced(result, axis, begin, end, step);
  }
  call.set(0, result);
}

void lower_split(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  const int axis = call.axis(call.integer("axis", 0), x.rank());
  const int64_t extent = x.shape[static_cast<size_t>(axis)];
  const auto parts = static_cast<int64_t>(call.output_count());
  Integers sizes = call.has(1) ? call.known_integers(1, "sizes") : call.integers("split", {});
  if (sizes.empty()) {
    const int64_t size = (extent + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i) sizes.push_back(std::min(size, extent - i * size));
  }
  int64_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 1 || sizes[i] > extent - begin) call.refuse(fmt::format("its parts are not {} in all", extent));
    if (i < call.output_count() && call.wants(i)) call.set(i, call.tracer().sliced(x, axis, begin, begin + sizes[i]));
    begin += sizes[i];
  }
  if (begin != extent || std::ssize(sizes) != parts) call.refuse(fmt::format("its parts are not {} in all", extent));
}

// Runs of neighbours, joined.
void lower_gather(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  const int axis = call.axis(call.integer("axis", 0), x.rank());
  const int64_t extent = x.shape[static_cast<size_t>(axis)];
  Integers indices = call.known_integers(1, "indices");
  for (int64_t& index : indices) {
    if (index < -extent || index >= extent)
      call.refuse(fmt::format("expected indices below {}, got {}", extent, index));
    if (index < 0) index += extent;
  }
  constexpr size_t kMost = 65536;
  if (indices.empty() || indices.size() > kMost) {
    call.refuse(fmt::format("expected 1 to {} indices, got {}", kMost, indices.size()));
  }
  std::vector<Traced> parts;
  for (size_t i = 0; i < indices.size();) {
    size_t end = i + 1;
    while (end < indices.size() && indices[end] == indices[end - 1] + 1) ++end;
    parts.push_back(call.tracer().sliced(x, axis, indices[i], indices[end - 1] + 1));
    i = end;
  }
  const Traced taken = parts.size() == 1 ? parts[0] : call.tracer().joined(parts, axis);
  const Integers& places = call.input(1).shape;
  const auto with_places = [&](Integers shape) {
    shape.erase(shape.begin() + axis);
    shape.insert(shape.begin() + axis, places.begin(), places.end());
    return shape;
  };
  call.set(0, call.tracer().reshaped(taken, with_places(taken.shape), with_places(shape_with(taken, true))));
}

void lower_expand(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  const Traced& x = call.computed_input(0);
  const Integers wanted = call.known_integers(1, "shape");
  const Integers shape = broadcast_shape(x.shape, wanted, call);
  Traced result = x;
  if (shape.size() > x.shape.size()) {
    Integers longer = x.shape;
    longer.insert(longer.begin(), shape.size() - x.shape.size(), 1);
    result = tracer.reshaped(x, longer);
  }
  if (shape == result.shape) return call.set(0, result);
  result.shape = shape;
  Integers extents;
  for (const int axis : result.axes) extents.push_back(axis == result.batch ? 1 : shape[static_cast<size_t>(axis)]);
  result.value = expand(result.value, tracer.uniform(Shape(std::span<const int64_t>(extents)), 0));
  call.set(0, result);
}

// Zeros, or the elements at the border, beyond it.
void lower_pad(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  Traced x = call.computed_input(0);
  const bool listed = !call.has(1);
  const Integers pads = listed ? call.integers("pads", {}) : call.known_integers(1, "pads");
  float fill = call.number("value", 0);
  if (call.has(2)) {
    const std::vector<float> values = call.known_floats(2, "value");
    if (values.size() != 1) call.refuse("expected one number as its value");
    fill = values[0];
  }
  Integers axes(x.shape.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (call.has(3)) axes = call.known_integers(3, "axes");
  if (pads.size() != 2 * axes.size())
    call.refuse(fmt::format("expected {} pads, got {}", 2 * axes.size(), pads.size()));
  const std::string mode = call.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge") call.refuse(fmt::format("unknown mode {}", mode));
  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = call.axis(axes[i], x.rank());
    const int64_t before = pads[i], after = pads[i + axes.size()], extent = x.shape[static_cast<size_t>(axis)];
    if (std::max(std::abs(before), std::abs(after)) > 65536) call.refuse("expected pads of at most 65536");
    if (before == 0 && after == 0) continue;
    if (mode == "constant") {
      x = tracer.padded(x, axis, before, after, fill);
      continue;
    }
    const bool reflects = mode == "reflect";
    if (before < 0 || after < 0 || (reflects && std::max(before, after) >= extent)) call.refuse("its pads do not fit");
    std::vector<Traced> parts;
    const auto border = [&](int64_t index) { parts.push_back(tracer.sliced(x, axis, index, index + 1)); };
    for (int64_t k = before; k > 0; --k) border(reflects ? k : 0);
    parts.push_back(x);
    for (int64_t k = 1; k <= after; ++k) border(reflects ? extent - 1 - k : extent - 1);
    x = tracer.joined(parts, axis);
  }
  call.set(0, x);
}

enum class Reduction { mean, sum, root_of_squares };

void reduce(OnnxCall& call, Reduction reduction) {
  OnnxTracer& tracer = call.tracer();
  const Traced& x = call.computed_input(0);
  std::set<int> axes;
  for (const int64_t axis : axes_of(call)) axes.insert(call.axis(axis, x.rank()));
  if (axes.empty()) {
    if (call.integer("noop_with_empty_axes", 0) != 0) return call.set(0, x);
    for (int axis = 0; axis < x.rank(); ++axis) axes.insert(axis);
  }
  int64_t count = 1;
  for (const int axis : axes) count *= x.shape[static_cast<size_t>(axis)];
  const bool squares = reduction == Reduction::root_of_squares;
  Traced result = tracer.mean(squares ? OnnxTracer::alike(mul(x.value, x.value), x) : x, axes);
  if (reduction != Reduction::mean) result = tracer.scaled(result, static_cast<float>(count));
  if (squares) result.value = unary(result.value, UnaryFunction::sqrt);
  if (call.integer("keepdims", 1) != 0) return call.set(0, result);
  const auto without = [&](const Integers& shape) {
    Integers to;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (!axes.contains(static_cast<int>(i))) to.push_back(shape[i]);
    }
    return to;
  };
  call.set(0, tracer.reshaped(result, without(result.shape), without(shape_with(result, true))));
}

void lower_reduce_l2(OnnxCall& call) { reduce(call, Reduction::root_of_squares); }
void lower_reduce_mean(OnnxCall& call) { reduce(call, Reduction::mean); }
void lower_reduce_sum(OnnxCall& call) { reduce(call, Reduction::sum); }

void lower_depth_to_space(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  const Traced& x = call.computed_input(0);
  const int64_t block = call.integer("blocksize", 0);
  if (x.rank() != 4 || x.batch > 0 || block < 1 || block > 1024 || x.shape[1] % (block * block) != 0) {
    call.refuse("expected maps {N, C, H, W} whose channels its block divides");
  }
  const int64_t channels = x.shape[1] / (block * block), height = x.shape[2], width = x.shape[3];
  const bool by_column = call.text("mode", "DCR") == "CRD";
  const Integers split = by_column ? Integers{x.shape[0], channels, block, block, height, width}
                                   : Integers{x.shape[0], block, block, channels, height, width};
  const Axes perm = by_column ? Axes{0, 1, 4, 2, 5, 3} : Axes{0, 3, 4, 1, 5, 2};
  const Traced moved = tracer.transposed(tracer.reshaped(x, split), perm);
  call.set(0, tracer.reshaped(moved, {x.shape[0], channels, height * block, width * block}));
}

// Resizing an axis is a matrix product.
void lower_resize(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  Traced x = call.computed_input(0);
  const std::vector<ResizedAxis> axes = resized_axes(call, x);
  for (const ResizedAxis& axis : axes) {
    if (axis.axis == x.batch) call.refuse("it resizes the axis of the images");
    Traced last = x;
    last.axes = tracer.with_last(x, {axis.axis});
    const int64_t from = x.shape[static_cast<size_t>(axis.axis)];
    const Value matrix = tracer.weight(fmt::format("{}.axis{}", call.node().name, axis.axis), "",
                                       {1, 1, from, axis.extent}, axis.matrix, FileLayout::linear, false);
    const Value rows = tracer.ordered(x, last.axes);
    const Value flat = reshape(rows, {rows.shape().elements() / from, from});
    last.shape[static_cast<size_t>(axis.axis)] = axis.extent;
    Integers extents;
    for (const int own : last.axes) extents.push_back(last.shape[static_cast<size_t>(own)]);
    last.value = reshape(append(std::make_shared<LinearOp>(), {flat, matrix, Value(), Value()}),
                         Shape(std::span<const int64_t>(extents)));
    x = last;
  }
  call.set(0, x);
}

constexpr OnnxOp kShaping[] = {
    {"Concat", lower_concat},        {"DepthToSpace", lower_depth_to_space},
    {"Expand", lower_expand},        {"Flatten", lower_flatten},
    {"Gather", lower_gather},        {"Pad", lower_pad},
    {"ReduceL2", lower_reduce_l2},   {"ReduceMean", lower_reduce_mean},
    {"ReduceSum", lower_reduce_sum}, {"Reshape", lower_reshape},
    {"Resize", lower_resize},        {"Slice", lower_slice},
    {"Split", lower_split},          {"Squeeze", lower_squeeze},
    {"Transpose", lower_transpose},  {"Unsqueeze", lower_unsqueeze},
    {"Upsample", lower_resize},
};

}  // namespace

std::span<const OnnxOp> onnx_shaping() { return kShaping; }

}  // namespace convoy
