#include "data/erase.h"

#include <algorithm>
#include <cmath>

namespace convoy {
namespace {

// Calls fill(top, left, rows, columns) for every rectangle.
template <class Fill>
void draw_rectangles(int width, int height, const Augmentation& augmentation, RandomStream& random, const Fill& fill) {
  if (random.uniform() >= augmentation.erasing) return;
  const auto most = static_cast<uint32_t>(augmentation.erase_count);
  const int count = most == 1 ? 1 : 1 + static_cast<int>(random.below(most));
  constexpr float kMinArea = 0.02F, kMaxArea = 1.0F / 3, kMinRatio = 0.3F;
  const float log_ratio = std::log(kMinRatio);
  const float whole = static_cast<float>(width) * static_cast<float>(height) / static_cast<float>(count);
  for (int i = 0; i < count; ++i) {
    for (int attempt = 0; attempt < 10; ++attempt) {
      const float area = whole * random.uniform(kMinArea, kMaxArea);
      const float ratio = std::exp(random.uniform(log_ratio, -log_ratio));
      const auto rows = static_cast<int>(std::nearbyint(std::sqrt(area * ratio)));
      const auto columns = static_cast<int>(std::nearbyint(std::sqrt(area / ratio)));
      if (rows < 1 || columns < 1 || rows >= height || columns >= width) continue;
      const auto top = static_cast<int>(random.below(static_cast<uint32_t>(height - rows + 1)));
      const auto left = static_cast<int>(random.below(static_cast<uint32_t>(width - columns + 1)));
      fill(top, left, rows, columns);
      break;
    }
  }
}

}  // namespace

void erase_values(float* image, int side, const Augmentation& augmentation, RandomStream random) {
  draw_rectangles(side, side, augmentation, random, [&](int top, int left, int rows, int columns) {
    std::array<float, 3> color{};
    if (augmentation.erase_mode == EraseMode::color) std::ranges::generate(color, [&] { return random.normal(); });
    const bool by_pixel = augmentation.erase_mode == EraseMode::pixels;
    for (int y = top; y < top + rows; ++y) {
      float* out = image + (ptrdiff_t{y} * side + left) * 3;
      for (size_t i = 0; i < 3 * static_cast<size_t>(columns); ++i) out[i] = by_pixel ? random.normal() : color[i % 3];
    }
  });
}

void erase_pixels(Image& image, const Augmentation& augmentation, RandomStream random) {
  draw_rectangles(image.width(), image.height(), augmentation, random, [&](int top, int left, int rows, int columns) {
    for (int y = top; y < top + rows; ++y) std::fill_n(image.row(y) + ptrdiff_t{3} * left, 3 * columns, uint8_t{0});
  });
}

}  // namespace convoy
