#include "data/mix.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace convoy {
namespace {

struct Span {
  int64_t begin = 0;
  int64_t end = 0;
};

// What becomes of a sample: `share` of it stays.
struct Mixture {
  double share = 1;
  bool cut = false;  // the other's rectangle, instead of a blend
  Span rows, columns;
};

// `share` of [0, side) about a random centre, cut off at the borders.
Span random_span(int64_t side, double share, RandomStream& random) {
  const auto length = static_cast<int64_t>(static_cast<double>(side) * share);
  const auto center = static_cast<int64_t>(random.below(static_cast<uint32_t>(side)));
  return {std::max<int64_t>(0, center - length / 2), std::min(side, center + (length + 1) / 2)};
}

Mixture draw_mixture(int64_t side, const Augmentation& augmentation, RandomStream& random) {
  Mixture mixture;
  if (augmentation.mix_probability < 1 && random.uniform() >= augmentation.mix_probability) return mixture;
  const bool both = augmentation.mixup_alpha > 0 && augmentation.cutmix_alpha > 0;
  mixture.cut = both ? random.uniform() < augmentation.mix_switch_probability : augmentation.cutmix_alpha > 0;
  mixture.share = beta_sample(mixture.cut ? augmentation.cutmix_alpha : augmentation.mixup_alpha, random);
  if (!mixture.cut) return mixture;
  const double cut_side = std::sqrt(1 - mixture.share);
  mixture.rows = random_span(side, cut_side, random);
  mixture.columns = random_span(side, cut_side, random);
  const int64_t area = (mixture.rows.end - mixture.rows.begin) * (mixture.columns.end - mixture.columns.begin);
  mixture.share = 1.0 - static_cast<double>(area) / static_cast<double>(side * side);
  return mixture;
}

// output = share * own + (1 - share) * other
void blend(const float* own, const float* other, int64_t count, double share, float* output) {
  const auto own_part = static_cast<float>(share), other_part = static_cast<float>(1 - share);
  for (int64_t i = 0; i < count; ++i) output[i] = own_part * own[i] + other_part * other[i];
}

void mix_row(const Mixture& mixture, const float* own, const float* other, int64_t row, int64_t side, float* output) {
  if (!mixture.cut) return blend(own, other, 3 * side, mixture.share, output);
  if (row < mixture.rows.begin || row >= mixture.rows.end) return;
  const int64_t begin = 3 * mixture.columns.begin;
  std::copy_n(other + begin, 3 * mixture.columns.end - begin, output + begin);
}

// Two samples of `rows` rows of `width` floats change by each other's values, as mix(mixture, own, other, row, output)
// says for each.
template <class Mix>
void exchange(float* first, float* second, int64_t rows, int64_t width, std::vector<float>& scratch,
              const Mix& mix_one) {
  scratch.resize(2 * static_cast<size_t>(width));
  float* const a = scratch.data();
  float* const b = a + width;
  for (int64_t row = 0; row < rows; ++row, first += width, second += width) {
    std::copy_n(first, width, a);
    std::copy_n(second, width, b);
    mix_one(0, a, b, row, first);
    mix_one(1, b, a, row, second);
  }
}

}  // namespace

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

double beta_sample(double alpha, RandomStream& random) {
  const double a = gamma_sample(alpha, random), b = gamma_sample(alpha, random);
  return a + b > 0 ? a / (a + b) : 0.5;
}

void mix(float* images, float* targets, int64_t samples, int64_t side, int64_t classes,
         const Augmentation& augmentation, RandomStream random) {
  if (augmentation.mixup_alpha <= 0 && augmentation.cutmix_alpha <= 0) return;
  const int64_t floats = side * side * 3;
  std::vector<float> scratch;
  std::array<Mixture, 2> mixtures;
  for (int64_t i = 0; i < samples / 2; ++i) {
    if (i == 0 || augmentation.mix_mode != MixMode::batch) {
      mixtures[0] = draw_mixture(side, augmentation, random);
      mixtures[1] = augmentation.mix_mode == MixMode::element ? draw_mixture(side, augmentation, random) : mixtures[0];
    }
    if (mixtures[0].share == 1 && mixtures[1].share == 1) continue;
    const int64_t other = samples - 1 - i;
    exchange(images + i * floats, images + other * floats, side, 3 * side, scratch,
             [&](size_t which, const float* own, const float* from, int64_t row, float* output) {
               mix_row(mixtures[which], own, from, row, side, output);
             });
    exchange(targets + i * classes, targets + other * classes, 1, classes, scratch,
             [&](size_t which, const float* own, const float* from, int64_t /*row*/, float* output) {
               blend(own, from, classes, mixtures[which].share, output);
             });
  }
}

}  // namespace convoy
