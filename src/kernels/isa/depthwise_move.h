// Moving a block of pixels of depthwise maps: activated, packed, around the caches.
#pragma once

#include "kernels/isa/activation.h"
#include "kernels/isa/streaming.h"

namespace convoy::kernels::CONVOY_ISA {

// out = activation(in) for pixels `in_step` and `out_step` elements apart.
template <class Map>
inline void activate_pixels(Activation activation, const Map* in, int64_t in_step, Map* out, int64_t out_step,
                            int64_t pixels, int64_t channels, bool streamed) {
  with_activation(activation, [&](auto tag) {
    for (int64_t p = 0; p < pixels; ++p) {
      const Map* const x = in + p * in_step;
      Map* const y = out + p * out_step;
      int64_t c = 0;
      for (; c + 2 * kLanes <= channels; c += 2 * kLanes) {
        const Pair a = activate<decltype(tag)::value, Map>(load_pair(x + c));
        streamed ? stream(y + c, a) : store(y + c, a);
      }
      for (; c + kLanes <= channels; c += kLanes) {
        const Vec a = activate<decltype(tag)::value, Map>(load(x + c));
        streamed ? stream(y + c, a) : store(y + c, a);
      }
      const int lanes = static_cast<int>(channels - c);
      if (lanes > 0) store_n(y + c, activate<decltype(tag)::value, Map>(load_n(x + c, lanes)), lanes);
    }
  });
}

// Copies pixels `step` elements apart next to each other.
template <class Map>
inline void pack_pixels(const Map* in, int64_t step, int64_t pixels, int64_t channels, Map* out) {
  activate_pixels(Activation::none, in, step, out, channels, pixels, channels, false);
}

}  // namespace convoy::kernels::CONVOY_ISA
