// Each task makes one row of the result; backward kernels gather, so that no two tasks write the same element.
#include "kernels/pooling.h"

#include "core/parallel.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

int lanes_from(int64_t c, int64_t channels) { return static_cast<int>(smaller<int64_t>(kLanes, channels - c)); }

void max_pixel(const PoolGeometry& g, const float* image, int64_t oy, int64_t ox, float* output, uint8_t* taps) {
  const int64_t top = oy * g.rows.stride - g.rows.pad;
  const int64_t left = ox * g.columns.stride - g.columns.pad;
  for (int64_t c = 0; c < g.channels; c += kLanes) {
    const int n = lanes_from(c, g.channels);
    Vec best = broadcast(-__builtin_inff());
    Vec where = zero();
    for (int64_t y = g.rows.start(oy); y < g.rows.end(oy); ++y) {
      for (int64_t x = g.columns.start(ox); x < g.columns.end(ox); ++x) {
        const Vec value = load_n(image + (y * g.columns.in + x) * g.channels + c, n);
        const auto tap = static_cast<float>((y - top) * g.columns.kernel + x - left);
        const Mask larger = (value > best) | is_nan(value);
        best = select(larger, value, best);
        where = select(larger, broadcast(tap), where);
      }
    }
    store_n(output + c, best, n);
    if (taps != nullptr) store_bytes(taps + c, where, n);
  }
}

void max(const PoolGeometry& g, const float* input, float* output, uint8_t* taps) {
  parallel_for(g.batch * g.rows.out, [&](int64_t row, int) {
    const float* image = input + row / g.rows.out * g.rows.in * g.columns.in * g.channels;
    for (int64_t ox = 0; ox < g.columns.out; ++ox) {
      const int64_t pixel = (row * g.columns.out + ox) * g.channels;
      max_pixel(g, image, row % g.rows.out, ox, output + pixel, taps == nullptr ? nullptr : taps + pixel);
    }
  });
}

// Each element of grad_input is the sum of part(y, x, oy, ox, from, lanes) over the windows (oy, ox) that hold it,
// whose gradients for some channels begin at `from`.
template <class Part>
void sum_windows(const PoolGeometry& g, float* grad_input, const Part& part) {
  parallel_for(g.batch * g.rows.in, [&](int64_t row, int) {
    const int64_t n = row / g.rows.in;
    const int64_t y = row % g.rows.in;
    for (int64_t x = 0; x < g.columns.in; ++x) {
      float* result = grad_input + (row * g.columns.in + x) * g.channels;
      for (int64_t c = 0; c < g.channels; c += kLanes) {
        const int lanes = lanes_from(c, g.channels);
        Vec sum = zero();
        for (int64_t oy = g.rows.first_window(y); oy <= g.rows.last_window(y); ++oy) {
          for (int64_t ox = g.columns.first_window(x); ox <= g.columns.last_window(x); ++ox) {
            const int64_t from = ((n * g.rows.out + oy) * g.columns.out + ox) * g.channels + c;
            sum = sum + part(y, x, oy, ox, from, lanes);
          }
        }
        store_n(result + c, sum, lanes);
      }
    }
  });
}

void max_backward(const PoolGeometry& g, const float* grad_output, const uint8_t* taps, float* grad_input) {
  sum_windows(g, grad_input, [&](int64_t y, int64_t x, int64_t oy, int64_t ox, int64_t from, int lanes) {
    const int64_t tap =
        (y - oy * g.rows.stride + g.rows.pad) * g.columns.kernel + x - ox * g.columns.stride + g.columns.pad;
    const Vec distance = abs(load_bytes(taps + from, lanes) - broadcast(static_cast<float>(tap)));
    return select(distance < broadcast(0.5F), load_n(grad_output + from, lanes), zero());
  });
}

float divisor(const PoolGeometry& g, int64_t oy, int64_t ox) {
  const int64_t count = g.count_padding
                            ? g.rows.kernel * g.columns.kernel
                            : (g.rows.end(oy) - g.rows.start(oy)) * (g.columns.end(ox) - g.columns.start(ox));
  return static_cast<float>(count);
}

void average(const PoolGeometry& g, const float* input, float* output) {
  parallel_for(g.batch * g.rows.out, [&](int64_t row, int) {
    const int64_t oy = row % g.rows.out;
    const float* image = input + row / g.rows.out * g.rows.in * g.columns.in * g.channels;
    for (int64_t ox = 0; ox < g.columns.out; ++ox) {
      float* result = output + (row * g.columns.out + ox) * g.channels;
      const Vec count = broadcast(divisor(g, oy, ox));
      for (int64_t c = 0; c < g.channels; c += kLanes) {
        const int n = lanes_from(c, g.channels);
        Vec sum = zero();
        for (int64_t y = g.rows.start(oy); y < g.rows.end(oy); ++y) {
          for (int64_t x = g.columns.start(ox); x < g.columns.end(ox); ++x) {
            sum = sum + load_n(image + (y * g.columns.in + x) * g.channels + c, n);
          }
        }
        store_n(result + c, sum / count, n);
      }
    }
  });
}

void average_backward(const PoolGeometry& g, const float* grad_output, float* grad_input) {
  sum_windows(g, grad_input, [&](int64_t, int64_t, int64_t oy, int64_t ox, int64_t from, int lanes) {
    return load_n(grad_output + from, lanes) / broadcast(divisor(g, oy, ox));
  });
}

}  // namespace

const PoolKernels& pool_kernels() {
  static constexpr PoolKernels kTable{max, max_backward, average, average_backward};
  return kTable;
}

}  // namespace convoy::kernels::CONVOY_ISA
