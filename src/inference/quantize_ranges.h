// Which range of a map's values 256 levels should cover.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "convoy/quantize.h"
#include "ops/quantize/quantize.h"

namespace convoy {

// low <= 0 <= high.
struct ValueRange {
  float low = 0, high = 0;

  friend bool operator==(const ValueRange&, const ValueRange&) = default;
};

// The levels that cover a range. 0 is one of them.
Quantization levels_of(const ValueRange& range);

// How many values have each magnitude, from 0 to the smallest power of two that no magnitude exceeds. It is the same in
// whatever order values come. Zeros, which every range represents, are left out.
class ValueHistogram {
 public:
  static constexpr int64_t kBins = 4096;  // of positive values, and as many of negative ones
  static constexpr double kPercentile = 99.99;

  // Throws Error for values that are not finite.
  void add(std::span<const float> values);

  // minmax: from the least to the greatest.
  // percentile: a share of 1 - kPercentile / 100 of the values lies above, and as much below, to the width of a bin.
  // kl: magnitudes up to the one at which the histogram of what the levels represent differs least from that of the
  // values, by their Kullback-Leibler divergence, of 128 levels for magnitudes where both signs occur, else of 256
  // (Migacz, 8-bit inference with TensorRT, 2017).
  ValueRange range(RangeMethod method) const;

 private:
  double bin_width() const;
  void grow(float magnitude);

  std::vector<int64_t> positive_, negative_;  // kBins each; empty: no values yet
  float least_ = 0, greatest_ = 0;
  int exponent_ = 0;  // bins cover magnitudes up to 2^exponent
};

// The number of bins, counted from the first, that `levels` levels should cover; all of them where there are no more
// than levels.
int64_t best_bins_by_kl(std::span<const int64_t> counts, int64_t levels);

}  // namespace convoy
