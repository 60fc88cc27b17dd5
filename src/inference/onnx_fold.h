// Values of an ONNX model that do not depend on its images: shapes, constants, and what is computed from them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "formats/onnx_model.h"

namespace convoy {

// A tensor that is known. Integers and booleans are int64, floats of any length float.
struct OnnxConstant {
  std::vector<int64_t> shape;
  std::variant<std::vector<int64_t>, std::vector<float>> values;

  bool is_integer() const { return values.index() == 0; }
  const std::vector<int64_t>& integers() const { return std::get<0>(values); }
  const std::vector<float>& floats() const { return std::get<1>(values); }
  bool operator==(const OnnxConstant&) const = default;
};

// The elements of a tensor of a file. Throws Error where its type has no elements that fit.
OnnxConstant constant_of(const OnnxTensor& tensor);

// Whether fold() computes the op.
bool can_fold(const std::string& op);

// The node's outputs, its inputs being known (null where an optional one is absent). opset: the model's, whose versions
// of an op it follows (axes as an attribute or as an input). Throws Error, naming the op, what was expected and what
// came, when inputs do not fit, or where an output would have more elements than `most` and than any input.
std::vector<OnnxConstant> fold(const OnnxNode& node, const std::vector<const OnnxConstant*>& inputs, int64_t opset,
                               int64_t most = int64_t{1} << 28);

}  // namespace convoy
