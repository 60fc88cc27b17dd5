// What the shape rules of ops check. All throw Error: "conv2d: expected a bias 64, got 32".
#pragma once

#include <string_view>

#include "convoy/op.h"

namespace convoy {

// That input i has this shape, where it is present.
void expect_shape(const Op& op, std::span<const TensorType> inputs, int i, const Shape& shape);
// That input i has this type, where it is present.
void expect_type(const Op& op, std::span<const TensorType> inputs, int i, DType type);
// That input i has so many axes.
void expect_rank(const Op& op, std::span<const TensorType> inputs, int i, int least, int most);

}  // namespace convoy
