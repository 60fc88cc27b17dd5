// Ops that make tensors, tell their shapes, or look elements up.
#include <algorithm>
#include <array>
#include <cmath>

#include "inference/onnx_fold_call.h"

namespace convoy::folding {
namespace {

OnnxConstant constant(const Call& call) {
  if (const auto* tensor = call.find<OnnxTensor>("value")) return constant_of(*tensor);
  if (const auto* number = call.find<float>("value_float")) return {{}, Floats{*number}};
  if (const auto* integer = call.find<int64_t>("value_int")) return {{}, Integers{*integer}};
  if (const auto* numbers = call.find<Floats>("value_floats")) {
    return {{static_cast<int64_t>(numbers->size())}, *numbers};
  }
  if (const auto* integers = call.find<Integers>("value_ints")) {
    return {{static_cast<int64_t>(integers->size())}, *integers};
  }
  call.fail("expected a value of numbers, got none");
}

OnnxConstant constant_of_shape(const Call& call) {
  const Integers& shape = call.list(0);
  call.count(shape);
  OnnxConstant value{{}, Floats{0}};
  if (const auto* tensor = call.find<OnnxTensor>("value")) value = constant_of(*tensor);
  if (product(value.shape) != 1) call.fail("expected one number as value, got shape {}", to_text(value.shape));
  return take(value, shape, {Integers(shape.size(), 0)});
}

int64_t index_along(const Call& call, int64_t index, int64_t extent) {
  if (index < -extent || index >= extent) {
    call.fail("expected an index from {} to {}, got {}", -extent, extent - 1, index);
  }
  return index < 0 ? index + extent : index;
}

// Each index takes a block of the axes behind the one that it counts along.
OnnxConstant gather(const Call& call) {
  const OnnxConstant& from = call.input(0);
  const Integers& indices = call.integers(1);
  const Integers& index_shape = call.input(1).shape;
  const size_t axis = call.axis(call.get<int64_t>("axis", 0), from.shape.size());
  const std::span<const int64_t> extents(from.shape);
  Integers shape(extents.begin(), extents.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), index_shape.begin(), index_shape.end());
  shape.insert(shape.end(), extents.begin() + static_cast<std::ptrdiff_t>(axis) + 1, extents.end());
  call.count(shape);
  Integers places;
  for (const int64_t index : indices) places.push_back(index_along(call, index, extents[axis]));
  const int64_t outer = product(extents.first(axis)), inner = product(extents.subspan(axis + 1));
  OnnxConstant gathered = zeros(from, shape);
  std::visit(
      [&]<class Values>(const Values& values) {
        auto into = std::get<Values>(gathered.values).begin();
        for (int64_t block = 0; block < outer; ++block) {
          for (const int64_t place : places) {
            into = std::copy_n(values.begin() + (block * extents[axis] + place) * inner, inner, into);
          }
        }
      },
      from.values);
  return gathered;
}

OnnxConstant gather_elements(const Call& call) {
  const OnnxConstant& from = call.input(0);
  const Integers& indices = call.integers(1);
  const Integers& shape = call.input(1).shape;
  const size_t axis = call.axis(call.get<int64_t>("axis", 0), from.shape.size());
  bool fits = shape.size() == from.shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = i == axis || shape[i] <= from.shape[i];
  if (!fits) call.fail("expected indices that fit {}, got shape {}", to_text(from.shape), to_text(shape));
  View view{strides_of(from.shape)};
  const int64_t step = std::exchange(view.strides[axis], 0);
  return std::visit(
      [&]<class T>(const std::vector<T>& values) -> OnnxConstant {
        std::vector<T> gathered(indices.size());
        walk(shape, view, [&](size_t i, size_t place) {
          gathered[i] = values[place + static_cast<size_t>(step * index_along(call, indices[i], from.shape[axis]))];
        });
        return {shape, std::move(gathered)};
      },
      from.values);
}

// delta is not 0.
int64_t integers_between(const Call& call, int64_t start, int64_t limit, int64_t delta) {
  if (delta > 0 ? start >= limit : start <= limit) return 0;
  const auto low = static_cast<uint64_t>(std::min(start, limit)), high = static_cast<uint64_t>(std::max(start, limit));
  const uint64_t step = delta > 0 ? static_cast<uint64_t>(delta) : 0 - static_cast<uint64_t>(delta);
  const uint64_t count = (high - low - 1) / step + 1;
  if (count > static_cast<uint64_t>(call.most())) {
    call.fail("expected at most {} elements, got {}", call.most(), count);
  }
  return static_cast<int64_t>(count);
}

int64_t floats_between(const Call& call, double start, double limit, double delta) {
  const double count = std::ceil((limit - start) / delta);
  if (!(count <= static_cast<double>(call.most()))) {
    call.fail("expected at most {} elements, got {}", call.most(), count);
  }
  return static_cast<int64_t>(std::max(count, 0.0));
}

OnnxConstant range(const Call& call) {
  for (size_t i = 0; i < 3; ++i) {
    if (product(call.input(i).shape) != 1 || call.input(i).is_integer() != call.input(0).is_integer()) {
      call.fail("expected one number of the start's type as input {}, got shape {}", i, to_text(call.input(i).shape));
    }
  }
  if (call.input(0).is_integer()) {
    const int64_t start = call.integers(0)[0], limit = call.integers(1)[0], delta = call.integers(2)[0];
    if (delta == 0) call.fail("expected a delta other than 0, got 0");
    Integers values(static_cast<size_t>(integers_between(call, start, limit, delta)));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<int64_t>(static_cast<uint64_t>(start) + i * static_cast<uint64_t>(delta));
    }
    return {{static_cast<int64_t>(values.size())}, std::move(values)};
  }
  const float start = call.floats(0)[0], limit = call.floats(1)[0], delta = call.floats(2)[0];
  if (delta == 0) call.fail("expected a delta other than 0, got 0");
  Floats values(static_cast<size_t>(floats_between(call, start, limit, delta)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<float>(i) * delta;
  return {{static_cast<int64_t>(values.size())}, std::move(values)};
}

// Each index names its place along the first axes of the data, and a block of the others is written there.
OnnxConstant scatter_nd(const Call& call) {
  const auto reduction = call.get<std::string>("reduction", "none");
  if (reduction != "none") call.fail("expected reduction none, got {}", reduction);
  OnnxConstant result = call.input(0);
  const Integers& shape = result.shape;
  const Integers& indices = call.integers(1);
  const Integers& index_shape = call.input(1).shape;
  const OnnxConstant& updates = call.input(2);
  if (index_shape.empty() || index_shape.back() > static_cast<int64_t>(shape.size())) {
    call.fail("expected indices for {}, got shape {}", to_text(shape), to_text(index_shape));
  }
  const auto depth = static_cast<size_t>(index_shape.back());
  Integers expected(index_shape.begin(), index_shape.end() - 1);
  const int64_t blocks = product(expected);
  const std::span<const int64_t> rest = std::span(shape).subspan(depth);
  expected.insert(expected.end(), rest.begin(), rest.end());
  if (updates.shape != expected || updates.is_integer() != result.is_integer()) {
    call.fail("expected updates of the data's type and shape {}, got {}", to_text(expected), to_text(updates.shape));
  }
  const Integers strides = strides_of(shape);
  const int64_t size = product(rest);
  for (int64_t block = 0; block < blocks; ++block) {
    int64_t start = 0;
    for (size_t axis = 0; axis < depth; ++axis) {
      const int64_t index = indices[static_cast<size_t>(block) * depth + axis];
      start += index_along(call, index, shape[axis]) * strides[axis];
    }
    std::visit(
        [&]<class Values>(const Values& values) {
          std::copy_n(values.begin() + block * size, size, std::get<Values>(result.values).begin() + start);
        },
        updates.values);
  }
  return result;
}

OnnxConstant shape_op(const Call& call) {
  const Integers& shape = call.input(0).shape;
  const auto rank = static_cast<int64_t>(shape.size());
  const auto place = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  const int64_t start = place(call.get<int64_t>("start", 0));
  const int64_t end = std::max(start, place(call.get<int64_t>("end", rank)));
  return {{end - start}, Integers(shape.begin() + start, shape.begin() + end)};
}

OnnxConstant size_op(const Call& call) { return {{}, Integers{product(call.input(0).shape)}}; }

constexpr std::array kFolds{
    Fold{"Constant", single<constant>}, Fold{"ConstantOfShape", single<constant_of_shape>},
    Fold{"Gather", single<gather>},     Fold{"GatherElements", single<gather_elements>},
    Fold{"Range", single<range>},       Fold{"ScatterND", single<scatter_nd>},
    Fold{"Shape", single<shape_op>},    Fold{"Size", single<size_op>},
};

}  // namespace

std::span<const Fold> index_folds() { return kFolds; }

}  // namespace convoy::folding
