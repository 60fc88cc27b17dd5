// Floats as the shorter types that files store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/elements.h"

namespace convoy {

// The nearest, ties to even, as IEEE 754 and torch round. float_to_half: infinite from 65520 on.
uint16_t float_to_half(float value);
uint16_t float_to_bfloat(float value);

// The bytes of `values` as f32, f16, bf16 or, of whole numbers from -128 to 127, i8; little endian.
std::vector<std::byte> encode_floats(std::span<const float> values, DType type);

// Rounds the values to what those bytes stand for.
void round_floats(std::span<float> values, DType type);

}  // namespace convoy
