// The order of axes in files (PyTorch's NCHW, OIHW) and inside (NHWC, HWIO).
#pragma once

#include <span>

#include "convoy/builder.h"
#include "convoy/shape.h"

namespace convoy {

// The shape in files of a parameter that has `shape` inside: OIHW for HWIO, {out, in} for {..., in, out}.
Shape file_shape(const Shape& shape, FileLayout layout);

// A parameter of `shape` (inside) between the order of files and that inside. `from` and `into` have shape.elements()
// and do not overlap.
void to_file_layout(const Shape& shape, FileLayout layout, std::span<const float> from, std::span<float> into);
void from_file_layout(const Shape& shape, FileLayout layout, std::span<const float> from, std::span<float> into);
// The same of some rows of the file's first axis, from `first` on. A parameter that has the same layout has one row.
void rows_from_file_layout(const Shape& shape, FileLayout layout, int64_t first, std::span<const float> rows,
                           std::span<float> into);

// Feature maps of `shape` {N, H, W, C}, the same contract.
void nhwc_to_nchw(const Shape& shape, std::span<const float> from, std::span<float> into);
void nchw_to_nhwc(const Shape& shape, std::span<const float> from, std::span<float> into);

}  // namespace convoy
