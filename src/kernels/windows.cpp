#include "kernels/windows.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"

namespace convoy::kernels {
namespace {

// Which of the parts of an axis that a shift moves apart a padded, shifted position belongs to: before the last window,
// or within it before or behind the seam.
int part_of(int64_t position, int64_t extent, int64_t window, int64_t shift) {
  if (shift == 0 || position < extent - window) return 0;
  return position < extent - shift ? 1 : 2;
}

// Row of the table for a query and a key, positions of one window.
int64_t distance_row(const WindowGrid& grid, int64_t query, int64_t key) {
  const int64_t rows = query / grid.window_width - key / grid.window_width + grid.window_height - 1;
  const int64_t columns = query % grid.window_width - key % grid.window_width + grid.window_width - 1;
  return rows * (2 * grid.window_width - 1) + columns;
}

// Calls body(slot, pixel) for every position of every window: its place in the output, and its pixel in the map, -1 for
// a zero.
template <class Body>
void for_each_pixel(const WindowGrid& grid, const Body& body) {
  const int64_t down = grid.down(), across = grid.across(), positions = grid.window_height * grid.window_width;
  const int64_t padded_height = down * grid.window_height, padded_width = across * grid.window_width;
  parallel_for(grid.images * down * across, [&](int64_t window, int) {
    const int64_t top = window / across % down * grid.window_height, left = window % across * grid.window_width;
    for (int64_t position = 0; position < positions; ++position) {
      const int64_t y = (top + position / grid.window_width + grid.shift_down) % padded_height;
      const int64_t x = (left + position % grid.window_width + grid.shift_right) % padded_width;
      const bool inside = y < grid.height && x < grid.width;
      const int64_t pixel = (window / (down * across) * grid.height + y) * grid.width + x;
      body(window * positions + position, inside ? pixel : -1);
    }
  });
}

}  // namespace

void partition_windows(const WindowGrid& grid, const float* input, float* output) {
  const int64_t channels = grid.channels;
  for_each_pixel(grid, [=](int64_t slot, int64_t pixel) {
    float* target = output + slot * channels;
    if (pixel < 0) {
      std::fill_n(target, channels, 0.0F);
    } else {
      std::memcpy(target, input + pixel * channels, static_cast<size_t>(channels) * sizeof(float));
    }
  });
}

void merge_windows(const WindowGrid& grid, const float* input, float* output) {
  const int64_t channels = grid.channels;
  for_each_pixel(grid, [=](int64_t slot, int64_t pixel) {
    if (pixel < 0) return;
    std::memcpy(output + pixel * channels, input + slot * channels, static_cast<size_t>(channels) * sizeof(float));
  });
}

size_t position_bias_workspace(const WindowScores& scores) {
  return static_cast<size_t>(scores.heads * scores.positions() * scores.positions()) * sizeof(double);
}

void add_position_bias(const WindowScores& scores, const float* input, const float* table, float* output,
                       std::byte* workspace) {
  const WindowGrid& grid = scores.grid;
  const int64_t positions = scores.positions(), pairs = positions * positions, heads = scores.heads;
  auto* bias = reinterpret_cast<float*>(workspace);
  parallel_for(heads, [&](int64_t head, int) {
    for (int64_t pair = 0; pair < pairs; ++pair) {
      bias[head * pairs + pair] = table[distance_row(grid, pair / positions, pair % positions) * heads + head];
    }
  });
  const int64_t down = grid.down(), across = grid.across();
  const auto part = [&](int64_t window, int64_t position) {
    const int64_t y = window / across % down * grid.window_height + position / grid.window_width;
    const int64_t x = window % across * grid.window_width + position % grid.window_width;
    return 3 * part_of(y, down * grid.window_height, grid.window_height, grid.shift_down) +
           part_of(x, across * grid.window_width, grid.window_width, grid.shift_right);
  };
  parallel_for(scores.windows * heads, [&](int64_t task, int) {
    const int64_t window = task / heads;
    const float *source = input + task * pairs, *added = bias + task % heads * pairs;
    float* target = output + task * pairs;
    for (int64_t pair = 0; pair < pairs; ++pair) target[pair] = source[pair] + added[pair];
    const bool at_seam = (grid.shift_down > 0 && window / across % down == down - 1) ||
                         (grid.shift_right > 0 && window % across == across - 1);
    if (!at_seam) return;
    for (int64_t query = 0; query < positions; ++query) {
      const int here = part(window, query);
      for (int64_t key = 0; key < positions; ++key) {
        if (part(window, key) != here) target[query * positions + key] += kMasked;
      }
    }
  });
}

void position_bias_grad_table(const WindowScores& scores, const float* grad_output, float* grad_table,
                              std::byte* workspace) {
  const int64_t positions = scores.positions(), heads = scores.heads;
  // The gradients of the bias {heads, L, L}: the sums over all windows.
  auto* sums = reinterpret_cast<double*>(workspace);
  parallel_for(heads * positions, [&](int64_t row, int) {
    double* sum = sums + row * positions;
    std::fill_n(sum, positions, 0.0);
    for (int64_t window = 0; window < scores.windows; ++window) {
      const float* grad = grad_output + (window * heads * positions + row) * positions;
      for (int64_t key = 0; key < positions; ++key) sum[key] += static_cast<double>(grad[key]);
    }
  });
  const int64_t rows = (2 * scores.grid.window_height - 1) * (2 * scores.grid.window_width - 1);
  parallel_for(rows, [&](int64_t row, int) {
    const int64_t width = scores.grid.window_width, height = scores.grid.window_height;
    const int64_t down = row / (2 * width - 1) - height + 1, right = row % (2 * width - 1) - width + 1;
    for (int64_t head = 0; head < heads; ++head) {
      double total = 0;
      for (int64_t query = 0; query < positions; ++query) {
        const int64_t y = query / width - down, x = query % width - right;
        if (y < 0 || y >= height || x < 0 || x >= width) continue;
        total += sums[(head * positions + query) * positions + y * width + x];
      }
      grad_table[row * heads + head] = static_cast<float>(total);
    }
  });
}

}  // namespace convoy::kernels
