// Feature maps as the windows of Swin attention (Liu et al., arXiv 2103.14030), and the bias of that attention.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy::kernels {

// Maps {images, height, width, channels}, moved cyclically up and left by the shift after zeros at the bottom and right
// made whole windows of them.
struct WindowGrid {
  int64_t images, height, width, channels;
  int64_t window_height, window_width;
  int64_t shift_down, shift_right;  // below the window's extents: where the first window starts

  int64_t down() const { return (height + window_height - 1) / window_height; }
  int64_t across() const { return (width + window_width - 1) / window_width; }
};

// To {images * down * across, window_height * window_width, channels}, and back, dropping the zeros.
void partition_windows(const WindowGrid& grid, const float* input, float* output);
void merge_windows(const WindowGrid& grid, const float* input, float* output);

// Scores {windows, heads, L, L} of the L = window_height * window_width positions of each window; images and channels
// of the grid do not count. The table is {(2 window_height - 1) (2 window_width - 1), heads}.
struct WindowScores {
  WindowGrid grid;
  int64_t windows, heads;

  int64_t positions() const { return grid.window_height * grid.window_width; }
};

// Bytes of scratch memory that either of the following needs.
size_t position_bias_workspace(const WindowScores& scores);

// output = input + table[distance of query and key], and kMasked more where a shift brought the two together that are
// not neighbours; output may be the input.
inline constexpr float kMasked = -100;
void add_position_bias(const WindowScores& scores, const float* input, const float* table, float* output,
                       std::byte* workspace);

// The gradient of the table; that of the scores is the output's.
void position_bias_grad_table(const WindowScores& scores, const float* grad_output, float* grad_table,
                              std::byte* workspace);

}  // namespace convoy::kernels
