// The builder functions of attention within windows, beside those of convoy/ops.h (softmax, matmul, transpose, ...).
//
// Threads: a graph and what builds it belong to one at a time.
#pragma once

#include "convoy/builder.h"
#include "convoy/export_macro.h"
#include "convoy/ops.h"

namespace convoy {

// Cuts {N, H, W, C} into windows {N * windows, window.h * window.w, C}, row by row. Zeros at the bottom and right make
// whole windows of the map; then it moves up and left by `shift`, cyclically. The shift is smaller than the window.
CONVOY_API Value window_partition(Value x, Size2 window, Size2 shift = 0);
// The way back to {N, image.h, image.w, C}, without the zeros.
CONVOY_API Value window_merge(Value windows, Size2 image, Size2 window, Size2 shift = 0);

struct WindowBias {
  Size2 window = 1;
  Size2 windows = 1;  // down and across a map
  Size2 shift = 0;    // of the windows, as they were cut
};

// Liu et al., arXiv 2103.14030: to scores {N * windows, heads, L, L} of the L = window.h * window.w positions of each
// window adds the entry of the table {(2 window.h - 1) (2 window.w - 1), heads} for the distance from key to query, and
// -100 where a shift brought two positions into one window that are no neighbours.
CONVOY_API Value relative_position_bias(Value scores, Value table, const WindowBias& options);

}  // namespace convoy
