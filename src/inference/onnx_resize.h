// ONNX's Resize as matrices.
#pragma once

#include <cstdint>
#include <vector>

#include "inference/onnx_tracer.h"

namespace convoy {

struct ResizedAxis {
  int axis;
  int64_t extent;             // afterwards
  std::vector<float> matrix;  // {before, afterwards}
};

// The axes of x that the node, a Resize or Upsample, changes. Throws Error for what it does not know.
std::vector<ResizedAxis> resized_axes(const OnnxCall& call, const Traced& x);

}  // namespace convoy
