#include "data/mix.h"

#include <algorithm>
#include <cmath>

namespace convoy {
namespace {

// Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; below 1 by
// Gamma(alpha) = Gamma(alpha + 1) * U^(1 / alpha).
double gamma_sample(double alpha, RandomStream& random) {
  if (alpha < 1) {
    const double u = (static_cast<double>(random.next_u32()) + 1.0) * 0x1p-32;
    return gamma_sample(alpha + 1, random) * std::pow(u, 1 / alpha);
  }
  const double d = alpha - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = random.normal(), v = std::pow(1.0 + c * x, 3);
    const double u = (static_cast<double>(random.next_u32()) + 1.0) * 0x1p-32;
    if (v > 0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

// a = share * a + (1 - share) * b and the reverse.
void blend(float* a, float* b, int64_t count, float share) {
  for (int64_t i = 0; i < count; ++i) {
    const float from_a = a[i], from_b = b[i];
    a[i] = share * from_a + (1 - share) * from_b;
    b[i] = share * from_b + (1 - share) * from_a;
  }
}

struct Span {
  int64_t begin, end;
};

// `share` of [0, side) about a random centre, cut off at the borders.
Span random_span(int64_t side, double share, RandomStream& random) {
  const auto length = static_cast<int64_t>(static_cast<double>(side) * share);
  const auto center = static_cast<int64_t>(random.below(static_cast<uint32_t>(side)));
  return {std::max<int64_t>(0, center - length / 2), std::min(side, center + length / 2)};
}

}  // namespace

double beta_sample(double alpha, RandomStream& random) {
  const double a = gamma_sample(alpha, random), b = gamma_sample(alpha, random);
  return a + b > 0 ? a / (a + b) : 0.5;
}

void mix(float* images, float* targets, int64_t samples, int64_t side, int64_t classes,
         const Augmentation& augmentation, RandomStream random) {
  const bool both = augmentation.mixup_alpha > 0 && augmentation.cutmix_alpha > 0;
  const bool cut = both ? random.uniform() < 0.5F : augmentation.cutmix_alpha > 0;
  const double alpha = cut ? augmentation.cutmix_alpha : augmentation.mixup_alpha;
  if (alpha <= 0) return;
  double share = beta_sample(alpha, random);
  Span rows{0, side}, columns{0, side};
  if (cut) {
    rows = random_span(side, std::sqrt(1 - share), random);
    columns = random_span(side, std::sqrt(1 - share), random);
    share = 1.0 - static_cast<double>((rows.end - rows.begin) * (columns.end - columns.begin)) /
                      static_cast<double>(side * side);
  }
  const int64_t floats = side * side * 3;
  for (int64_t i = 0; i < samples / 2; ++i) {
    const int64_t other = samples - 1 - i;
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const int64_t begin = (row * side + columns.begin) * 3, count = (columns.end - columns.begin) * 3;
      blend(images + i * floats + begin, images + other * floats + begin, count,
            cut ? 0.0F : static_cast<float>(share));
    }
    blend(targets + i * classes, targets + other * classes, classes, static_cast<float>(share));
  }
}

}  // namespace convoy
