// What follows the sums of a quantised layer, and the rounding to bytes.
#pragma once

#include "kernels/isa/activation.h"
#include "kernels/isa/integers.h"
#include "kernels/isa/simd.h"
#include "kernels/isa/tiles.h"
#include "kernels/quantized_conv.h"

namespace convoy::kernels::CONVOY_ISA {

inline int lanes_of(WholeRegister) { return kLanes; }
inline int lanes_of(PartRegister part) { return part.lanes; }

// Whole numbers in [0, 255].
inline Vec to_bytes(Vec x, ByteScale scale) {
  const auto zero_point = static_cast<float>(scale.zero_point);
  // Where x is no number, max gives its other operand.
  const Vec steps = max(x / broadcast(scale.scale), broadcast(-zero_point));
  return round(min(steps, broadcast(255.0F - zero_point))) + broadcast(zero_point);
}

inline Vec from_bytes(Vec q, ByteScale scale) {
  return (q - broadcast(static_cast<float>(scale.zero_point))) * broadcast(scale.scale);
}

// Makes results of the sums of channels `channel` to `channel + channels` of one pixel, whose results begin at `pixel`.
template <Activation A>
inline void finish_sums(const QuantizedConvArgs& args, const int32_t* sums, int64_t pixel, int64_t channel,
                        int64_t channels) {
  each_register(channel, channel + channels, [&](int64_t c, auto part) {
    const Vec scale = part.load(args.weight_scale + c) * broadcast(args.in.scale);
    Vec y = to_floats(load(sums + (c - channel))) * scale;
    if (args.bias != nullptr) y = y + part.load(args.bias + c);
    const int64_t at = pixel + c;
    if (args.addend != nullptr) y = y + part.load(args.addend + at);
    if (args.byte_addend != nullptr)
      y = y + from_bytes(load_bytes(args.byte_addend + at, lanes_of(part)), args.addend_scale);
    y = activate<A>(y);
    if (args.output != nullptr) {
      part.store(args.output + at, y);
    } else {
      store_bytes(args.byte_output + at, to_bytes(y, args.out), lanes_of(part));
    }
  });
}

}  // namespace convoy::kernels::CONVOY_ISA
