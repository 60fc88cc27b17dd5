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
  Vec scale, steps_in_one, zero_point;

  explicit ByteRegister(ByteScale from)
      : scale(broadcast(from.scale)),
        steps_in_one(broadcast(1.0F / from.scale)),
        zero_point(broadcast(static_cast<float>(from.zero_point))) {}

  Vec numbers(Vec bytes) const { return (bytes - zero_point) * scale; }
  // Whole numbers in [0, 255]; 0 where x is no number, of which max gives its other operand.
  Vec bytes(Vec x) const {
    const Vec steps = max(x * steps_in_one, zero() - zero_point);
    return round(min(steps, broadcast(255.0F) - zero_point)) + zero_point;
  }
};

// Sums of consecutive pixels, `pitch` apart, of channels `channel` to `channel + channels`.
struct QuantizedSums {
  const int32_t* sums;
  int64_t pitch;
  int64_t first, count;  // pixels
  int64_t channel, channels;
};

// Makes results of sums. Its registers are filled once for all pixels.
class QuantizedEpilogue {
 public:
  QuantizedEpilogue(const QuantizedConvArgs& args, int64_t out_c)
      : args_(args), out_c_(out_c), in_scale_(broadcast(args.in.scale)), addend_(args.addend_scale), out_(args.out) {
    with_activation(args.activation, [&](auto tag) { choose_addend<decltype(tag)::value>(); });
  }

  void finish(const QuantizedSums& sums) const { (this->*finish_)(sums); }

 private:
  enum class Addend { none, floats, bytes, last_floats, last_bytes };

  template <Activation kActivation>
  void choose_addend() {
    const bool last = args_.addend_last;
    if (args_.addend != nullptr) {
      return last ? choose_output<kActivation, Addend::last_floats>() : choose_output<kActivation, Addend::floats>();
    }
    if (args_.byte_addend != nullptr) {
      return last ? choose_output<kActivation, Addend::last_bytes>() : choose_output<kActivation, Addend::bytes>();
    }
    choose_output<kActivation, Addend::none>();
  }
  template <Activation kActivation, Addend kAddend>
  void choose_output() {
    finish_ = args_.output != nullptr ? &QuantizedEpilogue::finish_as<kActivation, kAddend, false>
                                      : &QuantizedEpilogue::finish_as<kActivation, kAddend, true>;
  }

  template <Activation kActivation, Addend kAddend, bool kBytes>
  void finish_as(const QuantizedSums& sums) const {
    const QuantizedConvArgs args = args_;
    const ByteRegister addend = addend_, out = out_;
    const int64_t out_c = out_c_;
    each_register(sums.channel, sums.channel + sums.channels, [&](int64_t c, auto part) {
      const Vec scale = part.load(args.weight_scale + c) * in_scale_;
      const Vec bias = args.bias == nullptr ? zero() : part.load(args.bias + c);
      const int32_t* from = sums.sums + (c - sums.channel);
      int64_t at = sums.first * out_c + c;
      for (int64_t pixel = 0; pixel < sums.count; ++pixel, from += sums.pitch, at += out_c) {
        Vec y = to_floats(load(from)) * scale + bias;
        if constexpr (kAddend == Addend::floats) y = y + part.load(args.addend + at);
        if constexpr (kAddend == Addend::bytes) y = y + addend.numbers(load_bytes(args.byte_addend + at, part));
        y = activate<kActivation, std::conditional_t<kBytes, uint8_t, float>>(y);
        if constexpr (kAddend == Addend::last_floats) y = y + part.load(args.addend + at);
        if constexpr (kAddend == Addend::last_bytes) y = y + addend.numbers(load_bytes(args.byte_addend + at, part));
        if constexpr (kBytes) {
          store_bytes(args.byte_output + at, out.bytes(y), part);
        } else {
          part.store(args.output + at, y);
        }
      }
    });
  }

  const QuantizedConvArgs args_;
  const int64_t out_c_;
  const Vec in_scale_;
  const ByteRegister addend_, out_;
  void (QuantizedEpilogue::*finish_)(const QuantizedSums&) const = nullptr;
};

}  // namespace convoy::kernels::CONVOY_ISA
