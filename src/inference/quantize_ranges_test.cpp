#include "inference/quantize_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "convoy/error.h"
#include "core/parallel.h"
#include "core/random.h"

namespace convoy {
namespace {

using testing::HasSubstr;

TEST(QuantizeRanges, LevelsCoverTheRangeAndZero) {
  EXPECT_EQ(levels_of({0, 2.55F}), (Quantization{0.01F, 0}));
  EXPECT_EQ(levels_of({-2.55F, 0}), (Quantization{0.01F, 255}));
  EXPECT_EQ(levels_of({-1, 1}), (Quantization{2.0F / 255, 127}));  // 1 / scale, which is rounded, is below 127.5
  EXPECT_EQ(levels_of({-0.278F, 20}), (Quantization{20.278F / 255, 3}));
  EXPECT_EQ(levels_of({0, 0}), (Quantization{1, 0}));
  EXPECT_EQ(levels_of({-1e-44F, 1e-44F}), (Quantization{1, 0}));
}

std::vector<float> normal_values(size_t count, float deviation) {
  std::vector<float> values(count);
  RandomStream random(1, "ranges");
  std::ranges::generate(values, [&] { return deviation * random.normal(); });
  return values;
}

TEST(QuantizeRanges, MinmaxIsOfAllValuesAndZero) {
  ValueHistogram histogram;
  EXPECT_EQ(histogram.range(RangeMethod::minmax), (ValueRange{0, 0}));
  EXPECT_EQ(histogram.range(RangeMethod::kl), (ValueRange{0, 0}));
  histogram.add(std::vector<float>{3, 0.5F, 2});
  EXPECT_EQ(histogram.range(RangeMethod::minmax), (ValueRange{0, 3}));
  histogram.add(std::vector<float>{-40, 1});
  EXPECT_EQ(histogram.range(RangeMethod::minmax), (ValueRange{-40, 3}));
}

// The 100,000 values but the 10 least and the 10 greatest, which a sort finds.
TEST(QuantizeRanges, PercentileLeavesOutOneInTenThousandOnEitherSide) {
  std::vector<float> values = normal_values(100'000, 3);
  ValueHistogram histogram;
  histogram.add(values);
  std::ranges::sort(values);
  const ValueRange range = histogram.range(RangeMethod::percentile);
  const float bin = 16.0F / ValueHistogram::kBins;  // the greatest is between 8 and 16
  EXPECT_NEAR(range.low, values[10], bin);
  EXPECT_NEAR(range.high, values[values.size() - 11], bin);
  EXPECT_LT(values[0], range.low);
  EXPECT_GT(values.back(), range.high);
}

TEST(QuantizeRanges, ZerosDoNotCount) {
  std::vector<float> values = normal_values(20'000, 1);
  for (float& x : values) x = std::max(x, 0.0F);
  ValueHistogram with, without;
  with.add(values);
  std::erase(values, 0.0F);
  without.add(values);
  for (const RangeMethod method : {RangeMethod::percentile, RangeMethod::kl}) {
    EXPECT_EQ(with.range(method), without.range(method));
  }
}

TEST(QuantizeRanges, NeitherOrderNorThreadsMatter) {
  const std::vector<float> values = normal_values(200'000, 5);
  std::vector<float> rising = values;
  std::ranges::sort(rising, {}, [](float x) { return std::abs(x); });
  for (const RangeMethod method : {RangeMethod::minmax, RangeMethod::percentile, RangeMethod::kl}) {
    std::vector<ValueRange> ranges;
    for (const auto& [order, threads, at_once] :
         {std::tuple(&values, 1, 200'000UL), {&values, 3, 200'000UL}, {&rising, 2, 1'000UL}}) {
      const ThreadTeamPtr team = ThreadTeam::make(threads);
      const TeamScope scope(*team);
      ValueHistogram histogram;
      for (size_t i = 0; i < order->size(); i += at_once) histogram.add(std::span(*order).subspan(i, at_once));
      ranges.push_back(histogram.range(method));
    }
    EXPECT_EQ(ranges[0], ranges[1]);
    EXPECT_EQ(ranges[0], ranges[2]);
  }
}

TEST(QuantizeRanges, RefusesWhatIsNoNumber) {
  ValueHistogram histogram;
  EXPECT_THROW(histogram.add(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}), NumericError);
  EXPECT_THROW(histogram.add(std::vector<float>{-std::numeric_limits<float>::infinity()}), NumericError);
}

std::vector<int64_t> counts(int64_t bins, const std::function<double(double)>& of_bin) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < bins; ++i) result.push_back(static_cast<int64_t>(std::floor(of_bin(static_cast<double>(i)))));
  return result;
}

// Against numpy: for each number of bins the entropy of the counts, with those beyond added to the last occupied bin,
// relative to the means over the occupied bins of each level.
TEST(QuantizeRanges, KlFindsTheMostSimilarDistribution) {
  const auto bell = counts(300, [](double i) { return 1e6 * std::exp(-i * i / 3600); });
  EXPECT_EQ(best_bins_by_kl(bell, 32), 171);
  auto far = bell;
  far[299] = 3;
  EXPECT_EQ(best_bins_by_kl(far, 32), 171);
  EXPECT_EQ(best_bins_by_kl(counts(300, [](double i) { return 1e6 / ((i + 1) * (i + 1)); }), 32), 47);
  auto falling = counts(300, [](double i) { return 1e5 * std::exp(-i / 15); });
  falling[295] = 40;
  EXPECT_EQ(best_bins_by_kl(falling, 32), 127);
  EXPECT_EQ(best_bins_by_kl(falling, 64), 135);
  EXPECT_EQ(best_bins_by_kl(std::vector<int64_t>(300, 7), 32), 300);  // evenly spread: nothing is to be clipped
  EXPECT_EQ(best_bins_by_kl(std::vector<int64_t>{5, 1}, 32), 2);
}

TEST(QuantizeRanges, KlClipsOutliersOnBothSides) {
  std::vector<float> values = normal_values(100'000, 1);
  values.push_back(-100);
  values.push_back(300);
  ValueHistogram histogram;
  histogram.add(values);
  const ValueRange range = histogram.range(RangeMethod::kl);
  EXPECT_GT(range.low, -20);
  EXPECT_LT(range.low, -2);
  EXPECT_EQ(range.high, -range.low);
}

}  // namespace
}  // namespace convoy
