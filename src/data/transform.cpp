#include "data/transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"

namespace convoy {
namespace {

constexpr std::array<std::string_view, 2> kResizeModes{"crop", "squash"};

void require(bool holds, std::string_view field, std::string_view expected) {
  if (!holds) throw Error(fmt::format("{}: expected {}", field, expected));
}

}  // namespace

std::string_view to_string(ResizeMode mode) { return kResizeModes[static_cast<size_t>(mode)]; }

std::optional<ResizeMode> resize_mode_from_string(std::string_view word) {
  const auto found = std::find(kResizeModes.begin(), kResizeModes.end(), word);
  if (found == kResizeModes.end()) return std::nullopt;
  return static_cast<ResizeMode>(found - kResizeModes.begin());
}

void check(const Preprocessing& preprocessing) {
  require(preprocessing.image_size >= 1 && preprocessing.image_size <= 16384, "image size", "1 to 16384 pixels");
  require(preprocessing.crop_pct >= 0.01 && preprocessing.crop_pct <= 1, "crop_pct", "a share from 0.01 to 1");
  for (size_t c = 0; c < 3; ++c) {
    require(std::isfinite(preprocessing.mean[c]), "mean", "finite numbers");
    require(std::isfinite(preprocessing.std[c]) && preprocessing.std[c] > 0, "std", "positive numbers");
  }
}

Resizer evaluation_resizer(int width, int height, const Preprocessing& preprocessing) {
  const int size = preprocessing.image_size;
  const Rectangle whole{0, 0, width, height};
  if (preprocessing.resize_mode == ResizeMode::squash) {
    return {whole, {size, size, 0, 0, size, size}, preprocessing.interpolation};
  }
  const auto shorter = static_cast<int64_t>(std::floor(size / preprocessing.crop_pct));
  const auto longer_of = [&](int longer, int other) {
    return static_cast<int64_t>(static_cast<double>(shorter * longer) / other);
  };
  ResizeWindow window{shorter, shorter, 0, 0, size, size};
  if (width > height) window.full_width = longer_of(width, height);
  if (height > width) window.full_height = longer_of(height, width);
  // Python's round: halves go to the even neighbour.
  const auto centred = [&](int64_t full) {
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(full - size) / 2));
  };
  window.left = centred(window.full_width);
  window.top = centred(window.full_height);
  return {whole, window, preprocessing.interpolation};
}

Image prepare(ImageView image, const Preprocessing& preprocessing) {
  const Resizer resizer = evaluation_resizer(image.width, image.height, preprocessing);
  return resizer(image.crop(resizer.part()));
}

Normalizer::Normalizer(const Preprocessing& preprocessing) {
  for (size_t c = 0; c < 3; ++c) {
    for (size_t value = 0; value < 256; ++value) {
      table_[c][value] = (static_cast<float>(value) / 255.0F - preprocessing.mean[c]) / preprocessing.std[c];
    }
  }
}

void Normalizer::operator()(const Image& image, float* output) const {
  for (int y = 0; y < image.height(); ++y, output += image.stride()) row(image.row(y), image.width(), false, output);
}

void Normalizer::row(const uint8_t* pixels, int width, bool mirrored, float* output) const {
  const ptrdiff_t step = mirrored ? -3 : 3;
  float* out = output + (mirrored ? ptrdiff_t{3} * (width - 1) : 0);
  for (int x = 0; x < width; ++x, pixels += 3, out += step) {
    out[0] = table_[0][pixels[0]];
    out[1] = table_[1][pixels[1]];
    out[2] = table_[2][pixels[2]];
  }
}

}  // namespace convoy
