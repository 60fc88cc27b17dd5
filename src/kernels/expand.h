// Broadcasting, and the sum that is its gradient.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convoy/shape.h"

namespace convoy::kernels {

// How a tensor becomes a larger one, by axes of the larger one, outermost first: those that the tensor has, and those
// along which it is repeated. Neighbours of one kind are one axis and extents of 1 left out, so that kinds alternate.
struct ExpandAxes {
  struct Axis {
    int64_t extent = 1;
    bool repeated = false;
  };
  Axis axis[Shape::kMaxRank];
  int count = 0;
};

// `small` has at most as many axes as `large`; aligned at the last one, its extents are those of `large` or 1.
ExpandAxes expand_axes(const Shape& small, const Shape& large);

struct ExpandKernels {
  void (*forward)(const ExpandAxes& axes, const float* input, float* output);
  // grad_input[i] = the sum of grad_output over the elements that the forward made of input[i].
  void (*backward)(const ExpandAxes& axes, const float* grad_output, float* grad_input, std::byte* workspace);
  // Bytes of the backward's workspace.
  size_t (*workspace)(const ExpandAxes& axes);
};

const ExpandKernels& expand_kernels();

}  // namespace convoy::kernels
