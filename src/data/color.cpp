#include "data/color.h"

#include <algorithm>
#include <array>

namespace convoy {
namespace {

// ITU-R 601-2 luma in 16-bit fixed point, as Pillow's convert("L").
int luma(const uint8_t* rgb) { return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16; }

// ImagingBlend: from + factor * (to - from) in single precision, cut off, not rounded.
uint8_t blend(int from, int to, float factor) {
  const float mixed = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<uint8_t>(std::clamp(mixed, 0.0F, 255.0F));
}

// Blends every channel with one constant.
void blend_with(Image& image, int from, float factor) {
  std::array<uint8_t, 256> table;
  for (int value = 0; value < 256; ++value) table[static_cast<size_t>(value)] = blend(from, value, factor);
  uint8_t* pixels = image.row(0);
  for (size_t i = 0; i < image.bytes(); ++i) pixels[i] = table[pixels[i]];
}

}  // namespace

void change_brightness(Image& image, float factor) { blend_with(image, 0, factor); }

void change_contrast(Image& image, float factor) {
  int64_t sum = 0;
  const uint8_t* pixels = image.row(0);
  for (size_t i = 0; i < image.bytes(); i += 3) sum += luma(pixels + i);
  const double mean = static_cast<double>(sum) / static_cast<double>(image.bytes() / 3);
  blend_with(image, static_cast<int>(mean + 0.5), factor);
}

void change_saturation(Image& image, float factor) {
  uint8_t* pixels = image.row(0);
  for (size_t i = 0; i < image.bytes(); i += 3) {
    const int gray = luma(pixels + i);
    for (size_t c = i; c < i + 3; ++c) pixels[c] = blend(gray, pixels[c], factor);
  }
}

}  // namespace convoy
