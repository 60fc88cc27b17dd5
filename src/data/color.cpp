#include "data/color.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace convoy {
namespace {

using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

// ITU-R 601-2 luma in 16-bit fixed point, as Pillow's convert("L").
int luma(const uint8_t* rgb) { return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16; }

uint8_t cut(double value) { return static_cast<uint8_t>(std::clamp(value, 0.0, 255.0)); }

// ImagingBlend: from + factor * (to - from) in single precision, cut off, not rounded.
uint8_t blend(int from, int to, float factor) {
  const float mixed = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<uint8_t>(std::clamp(mixed, 0.0F, 255.0F));
}

template <class Function>
Table make_table(const Function& function) {
  Table table;
  for (int value = 0; value < 256; ++value) table[static_cast<size_t>(value)] = function(value);
  return table;
}

void map_channel(Image& image, size_t channel, const Table& table) {
  uint8_t* pixels = image.row(0);
  for (size_t i = channel; i < image.bytes(); i += 3) pixels[i] = table[pixels[i]];
}

void map_values(Image& image, const Table& table) {
  uint8_t* pixels = image.row(0);
  for (size_t i = 0; i < image.bytes(); ++i) pixels[i] = table[pixels[i]];
}

Histogram histogram_of(const Image& image, size_t channel) {
  Histogram counts{};
  const uint8_t* pixels = image.row(0);
  for (size_t i = channel; i < image.bytes(); i += 3) ++counts[pixels[i]];
  return counts;
}

// Blends every channel with one constant.
void blend_with(Image& image, int from, float factor) {
  map_values(image, make_table([&](int value) { return blend(from, value, factor); }));
}

struct Hsv {
  uint8_t hue, saturation, value;
};

// Pillow's rgb2hsv_row: single precision, cut off.
Hsv to_hsv(const uint8_t* rgb) {
  const auto [low, high] = std::minmax({rgb[0], rgb[1], rgb[2]});
  if (low == high) return {0, 0, high};
  const auto range = static_cast<float>(high - low);
  const float saturation = range / static_cast<float>(high);
  const float red = static_cast<float>(high - rgb[0]) / range, green = static_cast<float>(high - rgb[1]) / range,
              blue = static_cast<float>(high - rgb[2]) / range;
  float hue = rgb[0] == high   ? blue - green
              : rgb[1] == high ? static_cast<float>(2.0 + static_cast<double>(red) - static_cast<double>(blue))
                               : static_cast<float>(4.0 + static_cast<double>(green) - static_cast<double>(red));
  hue = static_cast<float>(std::fmod(static_cast<double>(hue) / 6.0 + 1.0, 1.0));
  return {cut(static_cast<double>(hue) * 255.0), cut(static_cast<double>(saturation) * 255.0), high};
}

// Pillow's hsv2rgb.
void to_rgb(const Hsv& hsv, uint8_t* rgb) {
  if (hsv.saturation == 0) {
    std::fill_n(rgb, 3, hsv.value);
    return;
  }
  const double position = static_cast<double>(static_cast<float>(hsv.hue)) * 6.0 / 255.0;
  const int sector = static_cast<int>(position);
  const auto f = static_cast<double>(static_cast<float>(position - sector));
  const auto s = static_cast<double>(static_cast<float>(hsv.saturation / 255.0));
  const auto rounded = [&](double share) { return cut(std::round(hsv.value * share)); };
  const uint8_t v = hsv.value, p = rounded(1.0 - s), q = rounded(1.0 - s * f), t = rounded(1.0 - s * (1.0 - f));
  const std::array<std::array<uint8_t, 3>, 6> sectors{
      {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}}};
  std::ranges::copy(sectors[static_cast<size_t>(sector % 6)], rgb);
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

// Blends with ImageFilter.SMOOTH, which leaves the border pixels as they are.
void change_sharpness(Image& image, float factor) {
  const int width = image.width(), height = image.height();
  if (width < 3 || height < 3) return;
  const auto stride = static_cast<size_t>(image.stride());
  // Rows of the input that are overwritten already.
  std::vector<uint8_t> above(image.row(0), image.row(0) + stride), here(stride);
  for (int y = 1; y + 1 < height; ++y) {
    uint8_t* row = image.row(y);
    const uint8_t* below = image.row(y + 1);
    std::copy_n(row, stride, here.begin());
    for (size_t i = 3; i + 3 < stride; ++i) {
      int sum = 4 * here[i];
      for (const uint8_t* line :
           {static_cast<const uint8_t*>(above.data()), static_cast<const uint8_t*>(here.data()), below}) {
        sum += line[i - 3] + line[i] + line[i + 3];
      }
      row[i] = blend((2 * sum + 13) / 26, here[i], factor);
    }
    std::swap(above, here);
  }
}

void shift_hue(Image& image, double shift) {
  const auto steps = static_cast<uint8_t>(static_cast<int>(shift * 255));
  uint8_t* pixels = image.row(0);
  for (size_t i = 0; i < image.bytes(); i += 3) {
    Hsv hsv = to_hsv(pixels + i);
    hsv.hue = static_cast<uint8_t>(hsv.hue + steps);
    to_rgb(hsv, pixels + i);
  }
}

void posterize(Image& image, int bits) {
  const int mask = 0xFF << (8 - bits);
  map_values(image, make_table([&](int value) { return static_cast<uint8_t>(value & mask); }));
}

void solarize(Image& image, double threshold) {
  map_values(image,
             make_table([&](int value) { return static_cast<uint8_t>(value < threshold ? value : 255 - value); }));
}

void auto_contrast(Image& image) {
  for (size_t channel = 0; channel < 3; ++channel) {
    const Histogram counts = histogram_of(image, channel);
    const auto is_there = [](int64_t count) { return count > 0; };
    const auto low = std::ranges::find_if(counts, is_there) - counts.begin();
    const auto high = 255 - (std::find_if(counts.rbegin(), counts.rend(), is_there) - counts.rbegin());
    if (high <= low) continue;
    const double scale = 255.0 / static_cast<double>(high - low), offset = -static_cast<double>(low) * scale;
    map_channel(image, channel, make_table([&](int value) { return cut(value * scale + offset); }));
  }
}

void equalize(Image& image) {
  for (size_t channel = 0; channel < 3; ++channel) {
    const Histogram counts = histogram_of(image, channel);
    const auto last = std::find_if(counts.rbegin(), counts.rend(), [](int64_t count) { return count > 0; });
    const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    // A channel of one value has a step of 0, too.
    const int64_t step = (total - *last) / 255;
    if (step == 0) continue;
    int64_t sum = step / 2;
    map_channel(image, channel, make_table([&](int value) {
                  const auto level = static_cast<uint8_t>(std::min<int64_t>(sum / step, 255));
                  sum += counts[static_cast<size_t>(value)];
                  return level;
                }));
  }
}

void invert(Image& image) {
  map_values(image, make_table([](int value) { return static_cast<uint8_t>(255 - value); }));
}

void add_to_dark(Image& image, int amount) {
  map_values(image, make_table([&](int value) {
               return static_cast<uint8_t>(value < 128 ? std::min(255, value + amount) : value);
             }));
}

}  // namespace convoy
