#include "data/random_crop.h"

#include <algorithm>
#include <cmath>

namespace convoy {
namespace {

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
Image padded_crop(const Image& image, int padding, CropPaddingMode mode, int left, int top) {
  const int size = image.width();
  const bool reflect = mode == CropPaddingMode::reflect;
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

}  // namespace

Resizer crop_resizer(int width, int height, const Preprocessing& preprocessing, const Augmentation& augmentation,
                     RandomStream random) {
  const int size = preprocessing.image_size;
  if (augmentation.crop == TrainCrop::none) return evaluation_resizer(width, height, preprocessing);
  Rectangle part{0, 0, width, height};
  if (augmentation.crop == TrainCrop::resized) part = random_part(width, height, augmentation, random);
  return {part, {size, size, 0, 0, size, size}, preprocessing.interpolation};
}

Image shifted(const Image& image, const Augmentation& augmentation, RandomStream random) {
  const auto positions = static_cast<uint32_t>(2 * augmentation.crop_padding + 1);
  const auto top = static_cast<int>(random.below(positions));
  const auto left = static_cast<int>(random.below(positions));
  return padded_crop(image, augmentation.crop_padding, augmentation.padding_mode, left, top);
}

}  // namespace convoy
