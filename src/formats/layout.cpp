#include "formats/layout.h"

#include <algorithm>

namespace convoy {
namespace {

// into = transpose of the rows x columns matrix at from.
void transpose(const float* from, int64_t rows, int64_t columns, float* into) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) into[c * rows + r] = from[r * columns + c];
  }
}

// from {a, b, c} -> into {c, b, a}.
void reverse_axes(const float* from, int64_t a, int64_t b, int64_t c, float* into) {
  for (int64_t i = 0; i < a; ++i) {
    for (int64_t j = 0; j < b; ++j) {
      for (int64_t k = 0; k < c; ++k) into[(k * b + j) * a + i] = from[(i * b + j) * c + k];
    }
  }
}

}  // namespace

Shape file_shape(const Shape& shape, FileLayout layout) {
  switch (layout) {
    case FileLayout::same: return shape;
    case FileLayout::conv: return {shape[3], shape[2], shape[0], shape[1]};
    case FileLayout::linear: return {shape[-1], shape[-2]};
  }
  return shape;
}

void to_file_layout(const Shape& shape, FileLayout layout, std::span<const float> from, std::span<float> into) {
  switch (layout) {
    case FileLayout::same: std::copy(from.begin(), from.end(), into.begin()); break;
    case FileLayout::conv: reverse_axes(from.data(), shape[0] * shape[1], shape[2], shape[3], into.data()); break;
    case FileLayout::linear: transpose(from.data(), shape[-2], shape[-1], into.data()); break;
  }
}

void from_file_layout(const Shape& shape, FileLayout layout, std::span<const float> from, std::span<float> into) {
  switch (layout) {
    case FileLayout::same: std::copy(from.begin(), from.end(), into.begin()); break;
    case FileLayout::conv: reverse_axes(from.data(), shape[3], shape[2], shape[0] * shape[1], into.data()); break;
    case FileLayout::linear: transpose(from.data(), shape[-1], shape[-2], into.data()); break;
  }
}

void nhwc_to_nchw(const Shape& shape, std::span<const float> from, std::span<float> into) {
  const int64_t pixels = shape[1] * shape[2];
  const int64_t image = pixels * shape[3];
  for (int64_t n = 0; n < shape[0]; ++n) {
    transpose(from.data() + n * image, pixels, shape[3], into.data() + n * image);
  }
}

void nchw_to_nhwc(const Shape& shape, std::span<const float> from, std::span<float> into) {
  const int64_t pixels = shape[1] * shape[2];
  const int64_t image = pixels * shape[3];
  for (int64_t n = 0; n < shape[0]; ++n) {
    transpose(from.data() + n * image, shape[3], pixels, into.data() + n * image);
  }
}

}  // namespace convoy
