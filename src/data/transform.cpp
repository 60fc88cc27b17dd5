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

Image prepare(ImageView image, const Preprocessing& preprocessing) {
  const int size = preprocessing.image_size;
  if (preprocessing.resize_mode == ResizeMode::squash) return resize(image, size, size, preprocessing.interpolation);
  const auto shorter = static_cast<int64_t>(std::floor(size / preprocessing.crop_pct));
  const auto longer_of = [&](int longer, int other) {
    return static_cast<int64_t>(static_cast<double>(shorter * longer) / other);
  };
  ResizeWindow window{shorter, shorter, 0, 0, size, size};
  if (image.width > image.height) window.full_width = longer_of(image.width, image.height);
  if (image.height > image.width) window.full_height = longer_of(image.height, image.width);
  // Python's round: halves go to the even neighbour.
  const auto centred = [&](int64_t full) {
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(full - size) / 2));
  };
  window.left = centred(window.full_width);
  window.top = centred(window.full_height);
  return resize(image, window, preprocessing.interpolation);
}

Normalizer::Normalizer(const Preprocessing& preprocessing) {
  for (size_t c = 0; c < 3; ++c) {
    for (size_t value = 0; value < 256; ++value) {
      table_[c][value] = (static_cast<float>(value) / 255.0F - preprocessing.mean[c]) / preprocessing.std[c];
    }
  }
}

void Normalizer::operator()(const Image& image, float* output) const {
  const uint8_t* pixels = image.row(0);
  for (size_t i = 0; i < image.bytes(); i += 3) {
    output[i] = table_[0][pixels[i]];
    output[i + 1] = table_[1][pixels[i + 1]];
    output[i + 2] = table_[2][pixels[i + 2]];
  }
}

}  // namespace convoy
