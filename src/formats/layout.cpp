#include "formats/layout.h"

#include <algorithm>

namespace convoy {
namespace {

// from {a, b, c} -> into {c, b, a}, whose rows are `stride` apart, block by block of what the first cache holds: one
// side of it is always far apart.
void reverse_axes(const float* from, int64_t a, int64_t b, int64_t c, float* into, int64_t stride) {
  constexpr int64_t kBlock = 16;
  for (int64_t first_i = 0; first_i < a; first_i += kBlock) {
    const int64_t end_i = std::min(a, first_i + kBlock);
    for (int64_t first_j = 0; first_j < b; first_j += kBlock) {
      const int64_t end_j = std::min(b, first_j + kBlock);
      for (int64_t k = 0; k < c; ++k) {
        for (int64_t j = first_j; j < end_j; ++j) {
          for (int64_t i = first_i; i < end_i; ++i) into[(k * b + j) * stride + i] = from[(i * b + j) * c + k];
        }
      }
    }
  }
}

// into = transpose of the rows x columns matrix at from.
void transpose(const float* from, int64_t rows, int64_t columns, float* into) {
  reverse_axes(from, rows, columns, 1, into, rows);
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
    case FileLayout::conv:
      reverse_axes(from.data(), shape[0] * shape[1], shape[2], shape[3], into.data(), shape[0] * shape[1]);
      break;
    case FileLayout::linear: transpose(from.data(), shape[-2], shape[-1], into.data()); break;
  }
}

void from_file_layout(const Shape& shape, FileLayout layout, std::span<const float> from, std::span<float> into) {
  rows_from_file_layout(shape, layout, 0, from, into);
}

void rows_from_file_layout(const Shape& shape, FileLayout layout, int64_t first, std::span<const float> rows,
                           std::span<float> into) {
  const int64_t all = layout == FileLayout::same ? 1 : shape[-1];
  const int64_t row = shape.elements() / std::max<int64_t>(all, 1);
  const int64_t count = row == 0 ? 0 : static_cast<int64_t>(rows.size()) / row;
  switch (layout) {
    case FileLayout::same: std::ranges::copy(rows, into.begin()); break;
    case FileLayout::conv:
      reverse_axes(rows.data(), count, shape[2], shape[0] * shape[1], into.data() + first, all);
      break;
    case FileLayout::linear: reverse_axes(rows.data(), count, shape[-2], 1, into.data() + first, all); break;
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
