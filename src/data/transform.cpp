#include "data/transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "data/color.h"
#include "data/rotate.h"

namespace convoy {
namespace {

constexpr std::array<std::string_view, 2> kResizeModes{"crop", "squash"};

struct Rectangle {
  int left, top, width, height;
};

// RandomResizedCrop.get_params of torchvision: ten tries at a share of the area and a log-uniform shape, then the
// largest centred part within the bounds.
Rectangle random_part(int width, int height, const Augmentation& augmentation, RandomStream& random) {
  const auto uniform = [&](double low, double high) { return low + (high - low) * random.uniform(); };
  const auto [min_ratio, max_ratio] = augmentation.crop_ratio;
  const double area = static_cast<double>(width) * height;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * uniform(augmentation.crop_scale[0], augmentation.crop_scale[1]);
    const double ratio = std::exp(uniform(std::log(min_ratio), std::log(max_ratio)));
    const double w = std::nearbyint(std::sqrt(target * ratio));
    const double h = std::nearbyint(std::sqrt(target / ratio));
    if (w >= 1 && h >= 1 && w <= width && h <= height) {
      const int part_width = static_cast<int>(w), part_height = static_cast<int>(h);
      const auto top = static_cast<int>(random.below(static_cast<uint32_t>(height - part_height + 1)));
      const auto left = static_cast<int>(random.below(static_cast<uint32_t>(width - part_width + 1)));
      return {left, top, part_width, part_height};
    }
  }
  const double ratio = static_cast<double>(width) / height;
  int part_width = width, part_height = height;
  if (ratio < min_ratio) part_height = static_cast<int>(std::nearbyint(width / min_ratio));
  if (ratio > max_ratio) part_width = static_cast<int>(std::nearbyint(height * max_ratio));
  part_width = std::clamp(part_width, 1, width);
  part_height = std::clamp(part_height, 1, height);
  return {(width - part_width) / 2, (height - part_height) / 2, part_width, part_height};
}

// Where position `i` of a padded row or column comes from: torch's "reflect", for i from -size + 1 to 2 * size - 2.
int reflected(int i, int size) { return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i; }

// The window of `size` at (left, top) in an image with `padding` pixels put on every side.
Image padded_crop(const Image& image, int padding, Augmentation::PaddingMode mode, int left, int top) {
  const int size = image.width();
  const bool reflect = mode == Augmentation::PaddingMode::reflect;
  Image output(size, size);
  if (!reflect) std::fill_n(output.row(0), output.bytes(), uint8_t{0});
  const int shift_x = left - padding, shift_y = top - padding;
  const int from_x = std::max(0, shift_x), to_x = std::min(size, shift_x + size);
  for (int y = 0; y < size; ++y) {
    const int in_y = y + shift_y;
    if (!reflect && (in_y < 0 || in_y >= size)) continue;
    const uint8_t* in = image.row(reflected(in_y, size));
    uint8_t* out = output.row(y);
    if (from_x < to_x) {
      std::copy_n(in + ptrdiff_t{3} * from_x, ptrdiff_t{3} * (to_x - from_x), out + ptrdiff_t{3} * (from_x - shift_x));
    }
    const auto mirror = [&](int begin, int end) {
      for (int x = begin; x < end; ++x) {
        std::copy_n(in + ptrdiff_t{3} * reflected(x + shift_x, size), 3, out + ptrdiff_t{3} * x);
      }
    };
    if (reflect) mirror(0, from_x - shift_x);
    if (reflect) mirror(to_x - shift_x, size);
  }
  return output;
}

Image random_crop(ImageView image, const Preprocessing& preprocessing, const Augmentation& augmentation,
                  RandomStream& random) {
  const int size = preprocessing.image_size;
  switch (augmentation.crop) {
    case Augmentation::Crop::none: return prepare(image, preprocessing);
    case Augmentation::Crop::padded: {
      const Image whole = resize(image, size, size, preprocessing.interpolation);
      const auto positions = static_cast<uint32_t>(2 * augmentation.crop_padding + 1);
      const auto top = static_cast<int>(random.below(positions));
      const auto left = static_cast<int>(random.below(positions));
      return padded_crop(whole, augmentation.crop_padding, augmentation.padding_mode, left, top);
    }
    case Augmentation::Crop::resized: {
      const Rectangle part = random_part(image.width, image.height, augmentation, random);
      return resize(image.crop(part.left, part.top, part.width, part.height), size, size, preprocessing.interpolation);
    }
  }
  return {};
}

void flip_horizontally(Image& image) {
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* left = image.row(y);
    uint8_t* right = left + image.stride() - 3;
    for (; left < right; left += 3, right -= 3) std::swap_ranges(left, left + 3, right);
  }
}

// Whether this sample is mirrored in this epoch.
bool draw_flip(const Augmentation& augmentation, const SampleKey& key, RandomStream& random) {
  if (augmentation.horizontal_flip <= 0) return false;
  if (augmentation.flip_mode == Augmentation::FlipMode::random) return random.uniform() < augmentation.horizontal_flip;
  const bool at_first = RandomStream(key.seed, "flip", 0, key.index).uniform() < augmentation.horizontal_flip;
  return at_first != (key.epoch % 2 == 1);
}

void flip_vertically(Image& image) {
  for (int y = 0; y < image.height() / 2; ++y) {
    std::swap_ranges(image.row(y), image.row(y) + image.stride(), image.row(image.height() - 1 - y));
  }
}

void jitter_colors(Image& image, const Augmentation& augmentation, RandomStream& random) {
  struct Change {
    float strength;
    void (*apply)(Image&, float);
  };
  std::array<Change, 3> changes{{{augmentation.brightness, change_brightness},
                                 {augmentation.contrast, change_contrast},
                                 {augmentation.saturation, change_saturation}}};
  for (uint32_t i = 3; i > 1; --i) std::swap(changes[i - 1], changes[random.below(i)]);
  for (const Change& change : changes) {
    if (change.strength > 0) {
      change.apply(image, random.uniform(std::max(0.0F, 1 - change.strength), 1 + change.strength));
    }
  }
}

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

void check(const Augmentation& augmentation, int image_size) {
  const auto ordered = [](std::array<double, 2> range) { return range[0] > 0 && range[0] <= range[1]; };
  const auto probability = [](float p) { return p >= 0 && p <= 1; };
  require(augmentation.crop_padding >= 0 && augmentation.crop_padding <= 16384, "crop padding", "0 to 16384 pixels");
  const bool reflects = augmentation.crop == Augmentation::Crop::padded &&
                        augmentation.padding_mode == Augmentation::PaddingMode::reflect;
  require(!reflects || augmentation.crop_padding < image_size, "crop padding",
          fmt::format("less than the image size {} to reflect, got {}", image_size, augmentation.crop_padding));
  require(ordered(augmentation.crop_scale) && augmentation.crop_scale[1] <= 1, "crop scale", "0 < low <= high <= 1");
  require(ordered(augmentation.crop_ratio) && std::isfinite(augmentation.crop_ratio[1]), "crop ratio",
          "0 < low <= high");
  require(probability(augmentation.horizontal_flip), "horizontal flip", "a probability from 0 to 1");
  require(probability(augmentation.vertical_flip), "vertical flip", "a probability from 0 to 1");
  require(augmentation.rotation >= 0 && augmentation.rotation <= 180, "rotation", "0 to 180 degrees");
  require(probability(augmentation.brightness), "brightness", "a strength from 0 to 1");
  require(probability(augmentation.contrast), "contrast", "a strength from 0 to 1");
  require(probability(augmentation.saturation), "saturation", "a strength from 0 to 1");
  require(probability(augmentation.erasing), "erasing", "a probability from 0 to 1");
  require(augmentation.mixup_alpha >= 0 && std::isfinite(augmentation.mixup_alpha), "mixup", "0 or more");
  require(augmentation.cutmix_alpha >= 0 && std::isfinite(augmentation.cutmix_alpha), "cutmix", "0 or more");
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

Image augment(ImageView image, const Preprocessing& preprocessing, const Augmentation& augmentation,
              const SampleKey& key) {
  RandomStream random = key.stream("augment");
  Image output = random_crop(image, preprocessing, augmentation, random);
  if (draw_flip(augmentation, key, random)) flip_horizontally(output);
  if (augmentation.vertical_flip > 0 && random.uniform() < augmentation.vertical_flip) flip_vertically(output);
  if (augmentation.rotation > 0) {
    const double degrees = augmentation.rotation * (2.0 * random.uniform() - 1.0);
    output = rotate(output.view(), degrees);
  }
  if (augmentation.brightness > 0 || augmentation.contrast > 0 || augmentation.saturation > 0) {
    jitter_colors(output, augmentation, random);
  }
  return output;
}

void erase(float* image, int side, const Augmentation& augmentation, const SampleKey& key) {
  if (augmentation.erasing <= 0) return;
  RandomStream random = key.stream("erase");
  if (random.uniform() >= augmentation.erasing) return;
  constexpr float kMinArea = 0.02F, kMaxArea = 1.0F / 3, kMinRatio = 0.3F;
  const float log_ratio = std::log(kMinRatio);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const float area = static_cast<float>(side) * static_cast<float>(side) * random.uniform(kMinArea, kMaxArea);
    const float ratio = std::exp(random.uniform(log_ratio, -log_ratio));
    const auto height = static_cast<int>(std::nearbyint(std::sqrt(area * ratio)));
    const auto width = static_cast<int>(std::nearbyint(std::sqrt(area / ratio)));
    if (height < 1 || width < 1 || height >= side || width >= side) continue;
    const auto top = static_cast<int>(random.below(static_cast<uint32_t>(side - height + 1)));
    const auto left = static_cast<int>(random.below(static_cast<uint32_t>(side - width + 1)));
    for (int y = top; y < top + height; ++y) std::fill_n(image + (ptrdiff_t{y} * side + left) * 3, 3 * width, 0.0F);
    return;
  }
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
