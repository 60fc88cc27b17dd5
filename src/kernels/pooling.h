// Max and average pooling of NHWC maps, forward and backward.
#pragma once

#include <cstdint>

#include "kernels/by_map.h"

namespace convoy::kernels {

// The windows along one axis: window o covers [start(o), end(o)) of the input. Its members leave no symbol that was
// compiled for a wider instruction set.
struct PoolAxis {
  int64_t in = 1, out = 1;
  int64_t kernel = 1, stride = 1, pad = 0;
  bool adaptive = false;  // torch's adaptive pooling: windows follow from in and out alone

  [[gnu::always_inline]] constexpr int64_t start(int64_t o) const {
    if (adaptive) return o * in / out;
    const int64_t first = o * stride - pad;
    return first < 0 ? 0 : first;
  }
  [[gnu::always_inline]] constexpr int64_t end(int64_t o) const {
    if (adaptive) return ((o + 1) * in + out - 1) / out;
    const int64_t last = o * stride - pad + kernel;
    return last > in ? in : last;
  }
  // The windows that cover input i are first_window(i) to last_window(i), both included.
  [[gnu::always_inline]] constexpr int64_t first_window(int64_t i) const {
    if (adaptive) return i * out / in;
    return i + pad < kernel ? 0 : (i + pad - kernel) / stride + 1;
  }
  [[gnu::always_inline]] constexpr int64_t last_window(int64_t i) const {
    const int64_t last = adaptive ? ((i + 1) * out + in - 1) / in - 1 : (i + pad) / stride;
    return last < out ? last : out - 1;
  }
};

struct PoolGeometry {
  int64_t batch = 1, channels = 1;
  PoolAxis rows, columns;
  // Average pooling divides by the whole kernel also where it hangs over the border.
  bool count_padding = false;
};

template <class Map>
struct PoolKernels {
  // `taps` gets for each output element which of the rows.kernel * columns.kernel positions, row by row, held the
  // maximum (the first of equals, the last NaN); null: not wanted. At most 256 positions where it is wanted.
  void (*max)(const PoolGeometry&, const Map* input, Map* output, uint8_t* taps);
  void (*max_backward)(const PoolGeometry&, const Map* grad_output, const uint8_t* taps, Map* grad_input);
  void (*average)(const PoolGeometry&, const Map* input, Map* output);
  void (*average_backward)(const PoolGeometry&, const Map* grad_output, Map* grad_input);
};

const ByMap<PoolKernels>& pool_kernels();

// Of bytes, the largest. Windows have a pixel of the input each.
struct BytePoolKernels {
  void (*max)(const PoolGeometry&, const uint8_t* input, uint8_t* output);
};

const BytePoolKernels& byte_pool_kernels();

}  // namespace convoy::kernels
