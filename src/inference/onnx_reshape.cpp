// Reshaping a tensor whose value has its axes in another order, and the images first. Every axis is a product of
// factors, which the other shape has in the same order; so a value only needs its factors moved where those of a new
// axis are apart.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "convoy/error.h"
#include "inference/onnx_tracer.h"

namespace convoy {
namespace {

struct Factor {
  int64_t extent;
  int from, to;  // axes
};

Shape shape_of(const Integers& extents) { return Shape(std::span<const int64_t>(extents)); }

// Those of both shapes, outermost first; empty where they have none in common.
std::optional<std::vector<Factor>> common_factors(const Integers& from, const Integers& to) {
  std::vector<Factor> factors;
  size_t i = 0, j = 0;
  int64_t left = 1, right = 1;
  while (true) {
    while (left == 1 && i < from.size()) left = from[i++];
    while (right == 1 && j < to.size()) right = to[j++];
    if (left == 1 && right == 1) return factors;
    const int64_t extent = std::gcd(left, right);
    if (extent != left && extent != right) return std::nullopt;
    factors.push_back({extent, static_cast<int>(i) - 1, static_cast<int>(j) - 1});
    left /= extent;
    right /= extent;
  }
}

// Where the images lie in the new shape, before the factor `next`. Told by the shape with two images; or else by that
// with one, which does not show it: then an axis of one element is theirs, or else they are the last of the rows before
// them, unless the axis behind them is split, as that of a sequence is into heads.
int new_batch(const std::vector<Factor>& factors, size_t next, const Integers& from, const Integers& to,
              const std::optional<Integers>& to_two) {
  const int low = next == 0 ? -1 : factors[next - 1].to;
  const int high = next == factors.size() ? static_cast<int>(to.size()) - 1 : factors[next].to;
  int axis = -1;
  for (size_t i = 0; to_two && i < to.size(); ++i) {
    if ((*to_two)[i] != to[i]) axis = static_cast<int>(i);
  }
  if (axis < 0) {
    const bool splits =
        next < factors.size() && to[static_cast<size_t>(high)] < from[static_cast<size_t>(factors[next].from)];
    axis = low + 1 < high || low < 0 || (low < high && splits) ? low + 1 : low;
  }
  if (axis < std::max(low, 0) || axis > high) throw Error("it would mix images with one another");
  return axis;
}

// The value with its factors, now in the order `now`, in the order `wanted`; one axis for the images before them.
Value moved(Value value, const std::vector<Factor>& factors, const std::vector<size_t>& now,
            const std::vector<size_t>& wanted) {
  const auto place = [&](size_t factor) { return std::ranges::find(wanted, factor) - wanted.begin(); };
  Integers extents{1};                     // of groups of factors that stay together
  std::vector<std::ptrdiff_t> places{-1};  // where each group begins
  for (size_t i = 0; i < now.size(); ++i) {
    const bool joins = i > 0 && place(now[i]) == place(now[i - 1]) + 1;
    if (joins) {
      extents.back() *= factors[now[i]].extent;
    } else {
      extents.push_back(factors[now[i]].extent);
      places.push_back(place(now[i]));
    }
  }
  Axes perm(extents.size());
  std::iota(perm.begin(), perm.end(), 0);
  std::ranges::sort(perm, {}, [&](int group) { return places[static_cast<size_t>(group)]; });
  return transpose(reshape(value, shape_of(extents)), perm);
}

}  // namespace

Traced OnnxTracer::reshaped(const Traced& x, const Integers& to, const std::optional<Integers>& to_two) {
  const auto batch = static_cast<size_t>(std::max(x.batch, 0));
  if (to == x.shape && (!to_two || *to_two == to || (*to_two)[batch] != to[batch])) return x;
  if (shape_of(to).elements() != shape_of(x.shape).elements()) {
    throw Error(
        fmt::format("expected as many elements, got {{{}}} for {{{}}}", fmt::join(to, ", "), fmt::join(x.shape, ", ")));
  }
  // The axis of the images is two: what is slower than they, and what is faster.
  Integers from = x.shape;
  if (x.batch >= 0) {
    from[static_cast<size_t>(x.batch)] /= x.before;
    from.insert(from.begin() + x.batch, x.before);
  }
  auto factors = common_factors(from, to);
  Traced result = x;
  result.shape = to;
  if (!factors) {
    // Only as it lies in the model, with the images outermost.
    result.batch = x.batch < 0 ? -1 : 0;
    if (x.batch > 0 || x.before > 1 || (x.batch == 0 && to[0] != x.shape[0]))
      throw Error("it would mix images with one another");
    Traced rows = x;
    rows.value = ordered(x, plain_axes(x));
    result.axes = plain_axes(result);
    result.value = reshape(rows.value, shape_of(to));
    return result;
  }
  if (x.batch >= 0) {
    const auto next = std::ranges::find_if(*factors, [&](const Factor& factor) { return factor.from > x.batch; });
    const auto count = static_cast<size_t>(next - factors->begin());
    result.batch = new_batch(*factors, count, from, to, to_two);
    result.before = 1;
    for (size_t i = 0; i < count; ++i) {
      if ((*factors)[i].to == result.batch) result.before *= (*factors)[i].extent;
    }
    for (Factor& factor : *factors) factor.from -= factor.from > x.batch ? 1 : 0;
  }
  std::vector<size_t> now, wanted;
  for (const int axis : x.axes) {
    for (size_t i = 0; i < factors->size(); ++i) {
      if ((*factors)[i].from == axis) now.push_back(i);
    }
  }
  Axes axes;
  if (result.batch >= 0) axes.push_back(result.batch);
  const auto add = [&](int axis) {
    if (std::ranges::find(axes, axis) == axes.end()) axes.push_back(axis);
  };
  for (const size_t i : now) add((*factors)[i].to);
  for (int axis = 0; axis < result.rank(); ++axis) add(axis);
  for (const int axis : axes) {
    for (size_t i = 0; i < factors->size(); ++i) {
      if ((*factors)[i].to == axis) wanted.push_back(i);
    }
  }
  Integers extents;
  for (const int axis : axes) extents.push_back(to[static_cast<size_t>(axis)]);
  result.axes = axes;
  result.value = reshape(now == wanted ? x.value : moved(x.value, *factors, now, wanted), shape_of(extents));
  return result;
}

}  // namespace convoy
