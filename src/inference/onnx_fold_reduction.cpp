// Ops that add up along axes.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "inference/onnx_fold_call.h"

namespace convoy::folding {
namespace {

// Floats are summed in double, integers modulo 2^64.
template <class T>
using Total = std::conditional_t<std::is_same_v<T, float>, double, uint64_t>;

std::vector<size_t> all_axes(size_t rank) {
  std::vector<size_t> axes(rank);
  for (size_t axis = 0; axis < rank; ++axis) axes[axis] = axis;
  return axes;
}

std::vector<size_t> reduced_axes(const Call& call) {
  const size_t rank = call.input(0).shape.size();
  const Integers axes = call.list("axes", 1).value_or(Integers{});
  if (!axes.empty()) return call.axes(axes, rank);
  if (call.get<int64_t>("noop_with_empty_axes", 0) != 0) return {};
  return all_axes(rank);
}

// Where the elements of the input go, and how many to each place.
struct Reduction {
  Integers kept;    // the output's shape with the reduced axes as 1
  Integers output;  // its shape
  View view;
  int64_t group = 1;

  explicit Reduction(const Call& call) : kept(call.input(0).shape) {
    const std::vector<size_t> axes = reduced_axes(call);
    for (const size_t axis : axes) group *= std::exchange(kept[axis], 1);
    view.strides = strides_of(kept);
    for (const size_t axis : axes) view.strides[axis] = 0;
    const bool keep = call.get<int64_t>("keepdims", 1) != 0;
    for (size_t axis = 0; axis < kept.size(); ++axis) {
      if (keep || std::ranges::count(axes, axis) == 0) output.push_back(kept[axis]);
    }
  }
};

template <class T, class Join>
std::vector<Total<T>> totals(const Integers& shape, const std::vector<T>& values, const Reduction& to, Total<T> first,
                             const Join& join) {
  std::vector<Total<T>> totals(static_cast<size_t>(product(to.kept)), first);
  walk(shape, to.view,
       [&](size_t i, size_t place) { totals[place] = join(totals[place], static_cast<Total<T>>(values[i])); });
  return totals;
}

template <class T>
std::vector<T> stored(const std::vector<Total<T>>& totals) {
  std::vector<T> values(totals.size());
  std::ranges::transform(totals, values.begin(), [](Total<T> total) { return static_cast<T>(total); });
  return values;
}

OnnxConstant reduce_sum(const Call& call) {
  const Reduction to(call);
  return std::visit(
      [&]<class T>(const std::vector<T>& values) -> OnnxConstant {
        const auto add = [](Total<T> a, Total<T> b) { return a + b; };
        return {to.output, stored<T>(totals(call.input(0).shape, values, to, Total<T>{0}, add))};
      },
      call.input(0).values);
}

OnnxConstant reduce_prod(const Call& call) {
  const Reduction to(call);
  return std::visit(
      [&]<class T>(const std::vector<T>& values) -> OnnxConstant {
        const auto multiply = [](Total<T> a, Total<T> b) { return a * b; };
        return {to.output, stored<T>(totals(call.input(0).shape, values, to, Total<T>{1}, multiply))};
      },
      call.input(0).values);
}

OnnxConstant reduce_mean(const Call& call) {
  const Reduction to(call);
  if (to.group == 0) call.fail("expected elements to average, got none");
  const auto add = [](auto a, auto b) { return a + b; };
  const Integers& shape = call.input(0).shape;
  if (call.input(0).is_integer()) {
    Integers means = stored<int64_t>(totals(shape, call.integers(0), to, 0, add));
    for (int64_t& mean : means) mean /= to.group;
    return {to.output, std::move(means)};
  }
  std::vector<double> means = totals(shape, call.floats(0), to, 0, add);
  for (double& mean : means) mean /= static_cast<double>(to.group);
  return {to.output, stored<float>(means)};
}

// NaN wins. The largest of no floats is minus infinity, of no integers an error.
template <bool largest>
OnnxConstant reduce_extreme(const Call& call) {
  const Reduction to(call);
  return std::visit(
      [&]<class T>(const std::vector<T>& values) -> OnnxConstant {
        using Limits = std::numeric_limits<T>;
        if (to.group == 0 && !Limits::has_infinity) call.fail("expected integers to choose from, got none");
        T first = largest ? Limits::lowest() : Limits::max();
        if constexpr (Limits::has_infinity) first = largest ? -Limits::infinity() : Limits::infinity();
        std::vector<T> extremes(static_cast<size_t>(product(to.kept)), first);
        walk(call.input(0).shape, to.view, [&](size_t i, size_t place) {
          T& extreme = extremes[place];
          const bool better = largest ? values[i] > extreme : values[i] < extreme;
          if (better || values[i] != values[i]) extreme = values[i];
        });
        return {to.output, std::move(extremes)};
      },
      call.input(0).values);
}

// Of what lies before each element along an axis, or behind it where `reverse`; with itself unless `exclusive`.
OnnxConstant cumulative_sum(const Call& call) {
  const Integers& shape = call.input(0).shape;
  const Integers& axes = call.list(1);
  if (axes.size() != 1) call.fail("expected one axis, got {}", axes.size());
  const size_t axis = call.axis(axes[0], shape.size());
  const bool reverse = call.get<int64_t>("reverse", 0) != 0, exclusive = call.get<int64_t>("exclusive", 0) != 0;
  const int64_t extent = shape[axis], step = strides_of(shape)[axis];
  Integers rows = shape;
  rows[axis] = std::min<int64_t>(extent, 1);
  return std::visit(
      [&]<class T>(const std::vector<T>& values) -> OnnxConstant {
        std::vector<T> sums(values.size());
        walk(rows, {strides_of(shape)}, [&](size_t, size_t start) {
          Total<T> before{0};
          for (int64_t i = 0; i < extent; ++i) {
            const size_t at = start + static_cast<size_t>((reverse ? extent - 1 - i : i) * step);
            const Total<T> sum = before + static_cast<Total<T>>(values[at]);
            sums[at] = static_cast<T>(exclusive ? before : sum);
            before = sum;
          }
        });
        return {shape, std::move(sums)};
      },
      call.input(0).values);
}

OnnxConstant softmax(const Call& call) {
  if (call.opset() < 13) call.fail("expected opset 13 or later, got {}", call.opset());
  Floats values = call.floats(0);
  const Integers& shape = call.input(0).shape;
  const size_t axis = call.axis(call.get<int64_t>("axis", -1), shape.size());
  const int64_t step = strides_of(shape)[axis];
  Integers rows = shape;
  rows[axis] = std::min<int64_t>(shape[axis], 1);
  walk(rows, {strides_of(shape)}, [&](size_t, size_t start) {
    const auto at = [&](int64_t i) -> float& { return values[start + static_cast<size_t>(i * step)]; };
    float largest = at(0);
    for (int64_t i = 1; i < shape[axis]; ++i) largest = std::max(largest, at(i));
    double sum = 0;
    for (int64_t i = 0; i < shape[axis]; ++i) {
      at(i) = std::exp(at(i) - largest);
      sum += at(i);
    }
    for (int64_t i = 0; i < shape[axis]; ++i) at(i) = static_cast<float>(at(i) / sum);
  });
  return {shape, std::move(values)};
}

OnnxConstant matmul(const Call& call) {
  constexpr int64_t kMostProducts = int64_t{1} << 34;
  const Floats &left = call.floats(0), &right = call.floats(1);
  const Integers &a = call.input(0).shape, &b = call.input(1).shape;
  if (a.size() != 2 || b.size() != 2 || a[1] != b[0]) {
    call.fail("expected two matrices that fit, got {} and {}", to_text(a), to_text(b));
  }
  const auto count = static_cast<size_t>(call.count({a[0], b[1]}));
  if (a[1] > kMostProducts / std::max<int64_t>(static_cast<int64_t>(count), 1)) {
    call.fail("expected at most {} products, got {} and {}", kMostProducts, to_text(a), to_text(b));
  }
  const auto depth = static_cast<size_t>(a[1]), columns = static_cast<size_t>(b[1]);
  Floats output(count);
  for (size_t i = 0; i < count; ++i) {
    const size_t row = i / columns, column = i % columns;
    double sum = 0;
    for (size_t k = 0; k < depth; ++k) sum += double{left[row * depth + k]} * double{right[k * columns + column]};
    output[i] = static_cast<float>(sum);
  }
  return {{a[0], b[1]}, std::move(output)};
}

constexpr std::array kFolds{
    Fold{"CumSum", single<cumulative_sum>},
    Fold{"MatMul", single<matmul>},
    Fold{"ReduceMax", single<reduce_extreme<true>>},
    Fold{"ReduceMean", single<reduce_mean>},
    Fold{"ReduceMin", single<reduce_extreme<false>>},
    Fold{"ReduceProd", single<reduce_prod>},
    Fold{"ReduceSum", single<reduce_sum>},
    Fold{"Softmax", single<softmax>},
};

}  // namespace

std::span<const Fold> reduction_folds() { return kFolds; }

}  // namespace convoy::folding
