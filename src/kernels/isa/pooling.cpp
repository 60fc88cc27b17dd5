// Each task makes one row of the result; backward kernels gather, so that no two tasks write the same element. Windows
// are gone through one by one with all channels of a pixel in order, as they lie in memory.
#include "kernels/pooling.h"

#include <type_traits>

#include "core/parallel.h"
#include "kernels/isa/integers.h"
#include "kernels/isa/simd.h"
#include "kernels/isa/tiles.h"
#include "kernels/isa/unroll.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Channels whose sums, in floats, stay in the first cache.
constexpr int64_t kSummedChannels = 512;

// Calls body(pixel, tap) for each pixel of the window (oy, ox), as indices within the image and the kernel.
template <class Body>
inline void each_pixel(const PoolGeometry& g, int64_t oy, int64_t ox, const Body& body) {
  const int64_t top = oy * g.rows.stride - g.rows.pad, left = ox * g.columns.stride - g.columns.pad;
  const int64_t x_begin = g.columns.start(ox), x_end = g.columns.end(ox), y_end = g.rows.end(oy);
  for (int64_t y = g.rows.start(oy); y < y_end; ++y) {
    for (int64_t x = x_begin; x < x_end; ++x) {
      body(y * g.columns.in + x, (y - top) * g.columns.kernel + x - left);
    }
  }
}
// The same of a window of kSide x kSide pixels.
template <int kSide, class Body>
inline void each_pixel_of(const PoolGeometry& g, int64_t oy, int64_t ox, const Body& body) {
  const int64_t first = g.rows.start(oy) * g.columns.in + g.columns.start(ox);
  unroll<0, kSide * kSide>([&](auto tap) { body(first + tap / kSide * g.columns.in + tap % kSide, tap); });
}

// The largest of each channel in the window (oy, ox) of an image, whose pixels `each` goes through, and where it is.
template <class Map, class Each>
inline void max_of_window(const PoolGeometry& g, const Map* image, Map* output, uint8_t* taps, const Each& each) {
  each_register(0, g.channels, [&](int64_t c, auto part) {
    Vec best = broadcast(-__builtin_inff());
    Vec where = zero();
    each([&](int64_t pixel, int64_t tap) {
      const Vec value = part.load(image + pixel * g.channels + c);
      const Mask larger = (value > best) | is_nan(value);
      best = select(larger, value, best);
      where = select(larger, broadcast(static_cast<float>(tap)), where);
    });
    part.store(output + c, best);
    if (taps != nullptr) store_bytes(taps + c, where, part);
  });
}

template <class Map>
void max(const PoolGeometry& g, const Map* input, Map* output, uint8_t* taps) {
  parallel_for(g.batch * g.rows.out, [&](int64_t row, int) {
    const Map* image = input + row / g.rows.out * g.rows.in * g.columns.in * g.channels;
    const int64_t oy = row % g.rows.out;
    for (int64_t ox = 0; ox < g.columns.out; ++ox) {
      const int64_t result = (row * g.columns.out + ox) * g.channels;
      uint8_t* const where = taps == nullptr ? nullptr : taps + result;
      const auto run = [&](const auto& each) { max_of_window(g, image, output + result, where, each); };
      const auto is_whole = [&](int64_t side) {
        return g.rows.kernel == side && g.columns.kernel == side && g.rows.end(oy) - g.rows.start(oy) == side &&
               g.columns.end(ox) - g.columns.start(ox) == side;
      };
      if (is_whole(2)) {
        run([&](const auto& body) { each_pixel_of<2>(g, oy, ox, body); });
      } else if (is_whole(3)) {
        run([&](const auto& body) { each_pixel_of<3>(g, oy, ox, body); });
      } else {
        run([&](const auto& body) { each_pixel(g, oy, ox, body); });
      }
    }
  });
}

// A register of bytes, or one byte.
template <class Bytes>
inline void max_bytes_of(const PoolGeometry& g, const uint8_t* image, int64_t oy, int64_t ox, int64_t c,
                         uint8_t* result) {
  Bytes best{};
  each_pixel(g, oy, ox, [&](int64_t pixel, int64_t) {
    Bytes next;
    __builtin_memcpy(&next, image + pixel * g.channels + c, sizeof next);
    best = next > best ? next : best;
  });
  __builtin_memcpy(result + c, &best, sizeof best);
}

void max_bytes(const PoolGeometry& g, const uint8_t* input, uint8_t* output) {
  constexpr int64_t kBytes = kLanes * int64_t{sizeof(float)};
  using Bytes [[gnu::vector_size(kBytes)]] = uint8_t;
  parallel_for(g.batch * g.rows.out, [&](int64_t row, int) {
    const uint8_t* image = input + row / g.rows.out * g.rows.in * g.columns.in * g.channels;
    for (int64_t ox = 0; ox < g.columns.out; ++ox) {
      uint8_t* const result = output + (row * g.columns.out + ox) * g.channels;
      int64_t c = 0;
      for (; c + kBytes <= g.channels; c += kBytes) max_bytes_of<Bytes>(g, image, row % g.rows.out, ox, c, result);
      for (; c < g.channels; ++c) max_bytes_of<uint8_t>(g, image, row % g.rows.out, ox, c, result);
    }
  });
}

// Each element of grad_input is the sum of share(y, x, oy, ox)(from, part) over the windows (oy, ox) that hold it,
// whose gradients for some channels begin at `from`; sole(y, x, oy, ox, from, streamed, result) writes a pixel of one.
template <class Map, class Share, class Sole>
void sum_windows(const PoolGeometry& g, const Map* grad_output, Map* grad_input, const Share& share, const Sole& sole) {
  const bool streamed =
      streams_rows(g.batch * g.rows.in * g.columns.in * g.channels, g.channels, grad_input, grad_output);
  parallel_for(g.batch * g.rows.in, [&](int64_t row, int) {
    const int64_t n = row / g.rows.in, y = row % g.rows.in;
    const int64_t oy_begin = g.rows.first_window(y), oy_end = g.rows.last_window(y) + 1;
    int64_t ox_begin = 0, ox_end = 0;
    for (int64_t x = 0; x < g.columns.in; ++x) {
      Map* result = grad_input + (row * g.columns.in + x) * g.channels;
      while (ox_end < g.columns.out && g.columns.start(ox_end) <= x) ++ox_end;
      while (ox_begin < ox_end && g.columns.end(ox_begin) <= x) ++ox_begin;
      const auto from = [&](int64_t oy, int64_t ox) {
        return ((n * g.rows.out + oy) * g.columns.out + ox) * g.channels;
      };
      if (oy_end - oy_begin == 1 && ox_end - ox_begin == 1) {
        sole(y, x, oy_begin, ox_begin, from(oy_begin, ox_begin), streamed, result);
        continue;
      }
      for (int64_t first = 0; first < g.channels; first += kSummedChannels) {
        const int64_t channels = smaller(kSummedChannels, g.channels - first);
        float sums[kSummedChannels];
        each_register(0, channels, [&](int64_t c, auto part) { part.store(sums + c, zero()); });
        for (int64_t oy = oy_begin; oy < oy_end; ++oy) {
          for (int64_t ox = ox_begin; ox < ox_end; ++ox) {
            const auto next = share(y, x, oy, ox);
            const int64_t window = from(oy, ox) + first;
            each_register(0, channels, [&](int64_t c, auto part) {
              part.store(sums + c, part.load(sums + c) + next(window + c, part));
            });
          }
        }
        each_register(0, channels, [&](int64_t c, auto part) { part.store(result + first + c, part.load(sums + c)); });
      }
    }
    stream_end();
  });
}

// A pixel of one window, of whose gradients it has share(c, part).
template <class Map, class Share>
inline void write_share(int64_t channels, const Share& share, bool streamed, Map* result) {
  each_register(0, channels, streamed, [&](int64_t c, auto part) { part.store(result + c, share(c, part)); });
}

// A pixel of one window: its gradients where the maximum is at `tap`.
inline void choose_all(int64_t channels, const uint8_t* taps, uint8_t tap, const Bf16* grad, bool streamed,
                       Bf16* result) {
  const bool lines = streamed && channels % kChosen == 0;
  int64_t c = 0;
  for (; c + kChosen <= channels; c += kChosen) choose(taps + c, tap, grad + c, lines, result + c);
  for (; c < channels; ++c) result[c] = taps[c] == tap ? grad[c] : Bf16();
}

template <class Map>
void max_backward(const PoolGeometry& g, const Map* grad_output, const uint8_t* taps, Map* grad_input) {
  const auto tap_of = [&](int64_t y, int64_t x, int64_t oy, int64_t ox) {
    return (y - oy * g.rows.stride + g.rows.pad) * g.columns.kernel + x - ox * g.columns.stride + g.columns.pad;
  };
  const auto share = [&](int64_t y, int64_t x, int64_t oy, int64_t ox) {
    return [=, sought = broadcast(static_cast<float>(tap_of(y, x, oy, ox)))](int64_t from, auto part) {
      const Vec distance = abs(load_bytes(taps + from, part) - sought);
      return select(distance < broadcast(0.5F), part.load(grad_output + from), zero());
    };
  };
  const auto sole = [&](int64_t y, int64_t x, int64_t oy, int64_t ox, int64_t from, bool streamed, Map* result) {
    if constexpr (std::is_same_v<Map, Bf16>) {
      const auto tap = static_cast<uint8_t>(tap_of(y, x, oy, ox));
      choose_all(g.channels, taps + from, tap, grad_output + from, streamed, result);
    } else {
      const auto whole = share(y, x, oy, ox);
      write_share(
          g.channels, [&](int64_t c, auto part) { return whole(from + c, part); }, streamed, result);
    }
  };
  sum_windows(g, grad_output, grad_input, share, sole);
}

float divisor(const PoolGeometry& g, int64_t oy, int64_t ox) {
  const int64_t count = g.count_padding
                            ? g.rows.kernel * g.columns.kernel
                            : (g.rows.end(oy) - g.rows.start(oy)) * (g.columns.end(ox) - g.columns.start(ox));
  return static_cast<float>(count);
}

template <class Map>
void average(const PoolGeometry& g, const Map* input, Map* output) {
  parallel_for(g.batch * g.rows.out, [&](int64_t row, int) {
    const int64_t oy = row % g.rows.out;
    const Map* image = input + row / g.rows.out * g.rows.in * g.columns.in * g.channels;
    for (int64_t ox = 0; ox < g.columns.out; ++ox) {
      Map* result = output + (row * g.columns.out + ox) * g.channels;
      const Vec count = broadcast(divisor(g, oy, ox));
      for (int64_t first = 0; first < g.channels; first += kSummedChannels) {
        const int64_t channels = smaller(kSummedChannels, g.channels - first);
        float sums[kSummedChannels];
        each_register(0, channels, [&](int64_t c, auto part) { part.store(sums + c, zero()); });
        each_pixel(g, oy, ox, [&](int64_t pixel, int64_t) {
          const Map* from = image + pixel * g.channels + first;
          each_register(0, channels,
                        [&](int64_t c, auto part) { part.store(sums + c, part.load(sums + c) + part.load(from + c)); });
        });
        each_register(0, channels,
                      [&](int64_t c, auto part) { part.store(result + first + c, part.load(sums + c) / count); });
      }
    }
  });
}

template <class Map>
void average_backward(const PoolGeometry& g, const Map* grad_output, Map* grad_input) {
  const auto share = [&](int64_t, int64_t, int64_t oy, int64_t ox) {
    return [=, count = broadcast(divisor(g, oy, ox))](int64_t from, auto part) {
      return part.load(grad_output + from) / count;
    };
  };
  const auto sole = [&](int64_t y, int64_t x, int64_t oy, int64_t ox, int64_t from, bool streamed, Map* result) {
    const auto whole = share(y, x, oy, ox);
    write_share(
        g.channels, [&](int64_t c, auto part) { return whole(from + c, part); }, streamed, result);
  };
  sum_windows(g, grad_output, grad_input, share, sole);
}

}  // namespace

const ByMap<PoolKernels>& pool_kernels() {
  static constexpr ByMap<PoolKernels> kTable{{max<float>, max_backward<float>, average<float>, average_backward<float>},
                                             {max<Bf16>, max_backward<Bf16>, average<Bf16>, average_backward<Bf16>}};
  return kTable;
}

const BytePoolKernels& byte_pool_kernels() {
  static constexpr BytePoolKernels kTable{max_bytes};
  return kTable;
}

}  // namespace convoy::kernels::CONVOY_ISA
