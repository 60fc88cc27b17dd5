// How results become bytes where nothing but bytes is asked for, as ByteRegister makes them (isa/quantized_epilogue.h),
// with fewer instructions: rounded to whole steps above or below the zero point, they are packed by instructions that
// saturate, so that only what 32 bits do not hold has to be kept in bounds before. Too large numbers are; too small
// ones and what is no number become the least integer, and that a byte of 0. Of AVX-512 alone.
#pragma once

#include "kernels/isa/simd.h"
#include "kernels/quantized_conv.h"

namespace convoy::kernels::CONVOY_ISA {

// most: how many steps results reach above the zero point. A zero point of 0 takes what is below zero for zero, as relu
// does, so that only bounds are left of it and of relu6.
struct ByteOutput {
  Activation activation;
  Vec steps_in_one, most;
  __m512i zero_point;  // of 16 bits

  explicit ByteOutput(const QuantizedConvArgs& args)
      : activation(args.activation),
        steps_in_one(broadcast(1.0F / args.out.scale)),
        most(broadcast(static_cast<float>(255 - args.out.zero_point))),
        zero_point(_mm512_set1_epi16(static_cast<int16_t>(args.out.zero_point))) {
    if (args.out.zero_point != 0 || args.addend_last) return;
    if (activation == Activation::relu6) most = min(most, broadcast(6.0F) * steps_in_one);
    if (activation == Activation::relu || activation == Activation::relu6) activation = Activation::none;
  }

  // Steps of activated results; of no number and `most`, min gives the former.
  __m512i steps(Vec y) const { return _mm512_cvtps_epi32(min(most, y * steps_in_one).v); }
  // Of steps, 16 bits each: in every quarter those of `low`, then those of `high`.
  __m512i pack(__m512i low, __m512i high) const { return _mm512_adds_epi16(_mm512_packs_epi32(low, high), zero_point); }
};

}  // namespace convoy::kernels::CONVOY_ISA
