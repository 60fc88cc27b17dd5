// Copies of rows that lie apart: of maps, some channels of every pixel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace convoy::kernels {

// Rows of `bytes` bytes, each beginning `pitch` bytes behind the one before it.
struct RowPart {
  const std::byte* input;
  int64_t pitch, bytes;

  // The same in elements.
  template <class Element>
  static RowPart of(const Element* input, int64_t pitch, int64_t width) {
    constexpr int64_t kBytes = sizeof(Element);
    return {reinterpret_cast<const std::byte*>(input), pitch * kBytes, width * kBytes};
  }
};

struct RowKernels {
  // Rows of the output, output_pitch bytes apart, become the rows of all parts, side by side.
  void (*join)(int64_t rows, std::span<const RowPart> parts, std::byte* output, int64_t output_pitch);
};

const RowKernels& row_kernels();

}  // namespace convoy::kernels
