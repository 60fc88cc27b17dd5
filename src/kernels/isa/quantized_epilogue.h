// What follows the sums of a quantised layer, and the rounding to bytes.
#pragma once

#include "kernels/isa/activation.h"
#include "kernels/isa/integers.h"
#include "kernels/isa/simd.h"
#include "kernels/isa/tiles.h"
#include "kernels/quantized_conv.h"

namespace convoy::kernels::CONVOY_ISA {

// Bytes as the numbers that they stand for, and back.
struct ByteRegister {
  Vec scale, zero_point;

  explicit ByteRegister(ByteScale from)
      : scale(broadcast(from.scale)), zero_point(broadcast(static_cast<float>(from.zero_point))) {}

  Vec numbers(Vec bytes) const { return (bytes - zero_point) * scale; }
  // Whole numbers in [0, 255]; 0 where x is no number, of which max gives its other operand.
  Vec bytes(Vec x) const {
    const Vec steps = max(x / scale, zero() - zero_point);
    return round(min(steps, broadcast(255.0F) - zero_point)) + zero_point;
  }
};

// Makes results of sums. Its registers are filled once for all pixels.
class QuantizedEpilogue {
 public:
  explicit QuantizedEpilogue(const QuantizedConvArgs& args)
      : args_(args), in_scale_(broadcast(args.in.scale)), addend_(args.addend_scale), out_(args.out) {
    with_activation(args.activation, [&](auto tag) { finish_ = &QuantizedEpilogue::finish_as<decltype(tag)::value>; });
  }

  // Of channels `channel` to `channel + channels` of one pixel, whose results begin at `pixel`.
  void finish(const int32_t* sums, int64_t pixel, int64_t channel, int64_t channels) const {
    (this->*finish_)(sums, pixel, channel, channels);
  }

 private:
  template <Activation A>
  void finish_as(const int32_t* sums, int64_t pixel, int64_t channel, int64_t channels) const {
    each_register(channel, channel + channels, [&](int64_t c, auto part) {
      Vec y = to_floats(load(sums + (c - channel))) * (part.load(args_.weight_scale + c) * in_scale_);
      if (args_.bias != nullptr) y = y + part.load(args_.bias + c);
      const int64_t at = pixel + c;
      if (args_.addend != nullptr) y = y + part.load(args_.addend + at);
      if (args_.byte_addend != nullptr) y = y + addend_.numbers(load_bytes(args_.byte_addend + at, part));
      y = activate<A>(y);
      if (args_.output != nullptr) {
        part.store(args_.output + at, y);
      } else {
        store_bytes(args_.byte_output + at, out_.bytes(y), part);
      }
    });
  }

  const QuantizedConvArgs args_;
  const Vec in_scale_;
  const ByteRegister addend_, out_;
  void (QuantizedEpilogue::*finish_)(const int32_t*, int64_t, int64_t, int64_t) const = nullptr;
};

}  // namespace convoy::kernels::CONVOY_ISA
