#include "inference/quantize_ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "convoy/error.h"
#include "core/finite.h"
#include "core/parallel.h"

namespace convoy {
namespace {

constexpr int64_t kAtOnce = 1 << 16;  // values that a thread counts

// Magnitude of the first bins' upper end beyond which lies a share of the total.
int64_t bins_below(const std::vector<int64_t>& counts, double beyond) {
  int64_t above = 0;
  auto bins = static_cast<int64_t>(counts.size());
  while (bins > 0 && static_cast<double>(above + counts[static_cast<size_t>(bins) - 1]) <= beyond) {
    above += counts[static_cast<size_t>(--bins)];
  }
  return bins;
}

// The divergence of the distribution of the counts, those beyond `bins` counted in the last occupied one, from what
// `levels` levels make of the first `bins`: each level has one height wherever it has counts.
double divergence(std::span<const int64_t> counts, int64_t bins, int64_t levels, int64_t beyond) {
  const std::span<const int64_t> kept = counts.first(static_cast<size_t>(bins));
  int64_t within = 0;
  for (const int64_t count : kept) within += count;
  if (within == 0) return std::numeric_limits<double>::infinity();
  int64_t last = bins - 1;
  while (kept[static_cast<size_t>(last)] == 0) --last;
  const auto total = static_cast<double>(within + beyond);
  double sum = 0;
  for (int64_t level = 0, first = 0; level < levels; ++level) {
    const int64_t end = (level + 1) * bins / levels;
    int64_t together = 0, occupied = 0;
    for (int64_t i = first; i < end; ++i) {
      together += kept[static_cast<size_t>(i)];
      occupied += kept[static_cast<size_t>(i)] > 0 ? 1 : 0;
    }
    for (int64_t i = first; i < end; ++i) {
      const int64_t count = kept[static_cast<size_t>(i)] + (i == last ? beyond : 0);
      if (count == 0) continue;
      const double p = static_cast<double>(count) / total;
      const double q = static_cast<double>(together) / static_cast<double>(occupied) / static_cast<double>(within);
      sum += p * std::log(p / q);
    }
    first = end;
  }
  return sum;
}

}  // namespace

Quantization levels_of(const ValueRange& range) {
  const double width = static_cast<double>(range.high) - static_cast<double>(range.low);
  const auto scale = static_cast<float>(width / 255);
  if (!(scale >= std::numeric_limits<float>::min())) return {1, 0};  // zeros only
  const double zero_point = std::nearbyint(-static_cast<double>(range.low) / static_cast<double>(scale));
  return {scale, static_cast<int>(std::clamp(zero_point, 0.0, 255.0))};
}

double ValueHistogram::bin_width() const { return std::ldexp(1.0, exponent_) / static_cast<double>(kBins); }

void ValueHistogram::grow(float magnitude) {
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);
  if (fraction == 0.5F) --exponent;  // a power of two itself
  if (positive_.empty()) {
    positive_.assign(kBins, 0);
    negative_.assign(kBins, 0);
    exponent_ = exponent;
  }
  for (; exponent_ < exponent; ++exponent_) {
    for (std::vector<int64_t>* counts : {&positive_, &negative_}) {
      for (size_t i = 0; i < kBins / 2; ++i) (*counts)[i] = (*counts)[2 * i] + (*counts)[2 * i + 1];
      std::fill(counts->begin() + kBins / 2, counts->end(), 0);
    }
  }
}

void ValueHistogram::add(std::span<const float> values) {
  if (values.empty()) return;
  if (first_not_finite(values)) throw NumericError("a map has values that are not finite numbers");
  const auto [least, greatest] = std::ranges::minmax(values);
  least_ = std::min(least_, least);
  greatest_ = std::max(greatest_, greatest);
  const float magnitude = std::max(-least, greatest);
  if (!(magnitude > 0)) return;
  grow(magnitude);
  const double per_unit = 1 / bin_width();
  struct Counts {
    std::array<int64_t, kBins> positive{}, negative{};
  };
  std::vector<Counts> counts(static_cast<size_t>(thread_count()));
  const auto size = static_cast<int64_t>(values.size());
  parallel_for((size + kAtOnce - 1) / kAtOnce, [&](int64_t task, int worker) {
    Counts& own = counts[static_cast<size_t>(worker)];
    for (const float x : values.subspan(static_cast<size_t>(task * kAtOnce),
                                        static_cast<size_t>(std::min(kAtOnce, size - task * kAtOnce)))) {
      if (x == 0) continue;
      const auto bin = static_cast<size_t>(std::abs(static_cast<double>(x)) * per_unit);
      ++(x > 0 ? own.positive : own.negative)[std::min<size_t>(bin, kBins - 1)];
    }
  });
  for (const Counts& own : counts) {
    std::ranges::transform(positive_, own.positive, positive_.begin(), std::plus());
    std::ranges::transform(negative_, own.negative, negative_.begin(), std::plus());
  }
}

ValueRange ValueHistogram::range(RangeMethod method) const {
  if (method == RangeMethod::minmax || positive_.empty()) return {least_, greatest_};
  const auto within = [&](int64_t below, int64_t above) {
    return ValueRange{std::max(least_, static_cast<float>(-static_cast<double>(below) * bin_width())),
                      std::min(greatest_, static_cast<float>(static_cast<double>(above) * bin_width()))};
  };
  if (method == RangeMethod::percentile) {
    int64_t total = 0;
    for (const auto* counts : {&positive_, &negative_}) {
      for (const int64_t count : *counts) total += count;
    }
    const double beyond = static_cast<double>(total) * (100 - kPercentile) / 100;
    return within(bins_below(negative_, beyond), bins_below(positive_, beyond));
  }
  std::vector<int64_t> magnitudes(kBins);
  std::ranges::transform(positive_, negative_, magnitudes.begin(), std::plus());
  while (magnitudes.back() == 0) magnitudes.pop_back();
  const bool both = least_ < 0 && greatest_ > 0;
  const int64_t bins = best_bins_by_kl(magnitudes, both ? 128 : 256);
  return within(bins, bins);
}

int64_t best_bins_by_kl(std::span<const int64_t> counts, int64_t levels) {
  const auto all = static_cast<int64_t>(counts.size());
  int64_t best = all, beyond = 0;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t bins = all; bins >= levels; --bins) {
    if (const double found = divergence(counts, bins, levels, beyond); found < least) {
      least = found;
      best = bins;
    }
    beyond += counts[static_cast<size_t>(bins) - 1];
  }
  return best;
}

}  // namespace convoy
