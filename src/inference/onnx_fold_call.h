// What the functions that fold ONNX nodes share. Private to onnx_fold*.cpp.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "convoy/error.h"
#include "inference/onnx_fold.h"

namespace convoy::folding {

using Integers = std::vector<int64_t>;
using Floats = std::vector<float>;
using Outputs = std::vector<OnnxConstant>;

constexpr int64_t kMostElements = int64_t{1} << 28;
constexpr size_t kMostAxes = 8;

// Of a shape, or the beginning of what is too long for one.
std::string to_text(const Integers& shape);
// Of extents that are checked.
int64_t product(std::span<const int64_t> extents);
// Dense, of the last axis first.
Integers strides_of(const Integers& shape);

// A node and its inputs, checked: inputs have as many elements as their shapes say, and at most kMostAxes axes.
class Call {
 public:
  // most: elements of an output, or as many as the largest input has.
  Call(const OnnxNode& node, const std::vector<const OnnxConstant*>& inputs, int64_t opset,
       int64_t most = kMostElements);

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error(fmt::format("{}: {}", node_.op, fmt::format(format, std::forward<Args>(args)...)));
  }

  int64_t opset() const { return opset_; }
  int64_t most() const { return most_; }
  size_t num_inputs() const { return inputs_.size(); }
  size_t num_outputs() const { return node_.outputs.size(); }

  bool has(size_t input) const { return input < inputs_.size() && inputs_[input] != nullptr; }
  const OnnxConstant& input(size_t index) const;
  // Values of an input that must be of the type.
  const Integers& integers(size_t input) const;
  const Floats& floats(size_t input) const;
  // An input of integers with one axis at most.
  const Integers& list(size_t input) const;

  // Null where it is absent.
  template <class T>
  const T* find(std::string_view name) const {
    for (const OnnxAttribute& attribute : node_.attributes) {
      if (attribute.name != name) continue;
      const T* value = std::get_if<T>(&attribute.value);
      if (value == nullptr) fail("attribute {} is of another kind than expected", name);
      return value;
    }
    return nullptr;
  }
  template <class T>
  T get(std::string_view name, T otherwise) const {
    const T* value = find<T>(name);
    return value == nullptr ? otherwise : *value;
  }
  // What became an input in a later version of the op: whichever is there.
  std::optional<Integers> list(std::string_view attribute, size_t input) const;
  Integers needed_list(std::string_view attribute, size_t input) const;

  // Counted from the end where negative.
  size_t axis(int64_t axis, size_t rank) const;
  // Throws where one is named twice.
  std::vector<size_t> axes(const Integers& axes, size_t rank) const;
  // The number of elements, which is checked before they are allocated; extents of 0 let no others be larger.
  int64_t count(const Integers& shape) const;
  // As numpy broadcasts.
  Integers broadcast(const Integers& left, const Integers& right) const;

 private:
  const OnnxNode& node_;
  const std::vector<const OnnxConstant*>& inputs_;
  int64_t opset_;
  int64_t most_ = kMostElements;
};

// Where the elements of a block lie in a tensor: element {i, j, ...} at start + i * strides[0] + j * strides[1] + ...
struct View {
  Integers strides;
  int64_t start = 0;
};

// Calls visit(i, place) for each element of the block, the last axis varying first.
template <class Visit>
void walk(const Integers& shape, const View& view, const Visit& visit) {
  const auto count = static_cast<size_t>(product(shape));
  Integers at(shape.size(), 0);
  int64_t place = view.start;
  for (size_t i = 0; i < count; ++i) {
    visit(i, static_cast<size_t>(place));
    for (size_t axis = shape.size(); axis-- > 0;) {
      place += view.strides[axis];
      if (++at[axis] < shape[axis]) break;
      place -= view.strides[axis] * shape[axis];
      at[axis] = 0;
    }
  }
}

// Zeros of the type of `like`. The shape is checked.
OnnxConstant zeros(const OnnxConstant& like, const Integers& shape);
// The block of `from` that the view says. Its shape is checked.
OnnxConstant take(const OnnxConstant& from, Integers shape, const View& view);
// Writes `block` into a tensor of the same type.
void put(OnnxConstant& into, const OnnxConstant& block, const View& view);
// `from` with its elements repeated as broadcasting to the shape, which it fits, repeats them.
OnnxConstant expand(const OnnxConstant& from, const Integers& shape);

template <OnnxConstant (*compute)(const Call&)>
Outputs single(const Call& call) {
  Outputs outputs;
  outputs.push_back(compute(call));
  return outputs;
}

struct Fold {
  std::string_view op;
  Outputs (*compute)(const Call&);
};

std::span<const Fold> elementwise_folds();
std::span<const Fold> layout_folds();
std::span<const Fold> index_folds();
std::span<const Fold> reduction_folds();

}  // namespace convoy::folding
