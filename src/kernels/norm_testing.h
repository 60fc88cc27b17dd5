// What the tests of the normalisation kernels share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/testing.h"

namespace convoy::kernels {

using testing::for_every_isa_and_thread_count;
using testing::Guarded;
using testing::Placement;

inline std::vector<float> random_normal(std::string_view purpose, int64_t size, float mean = 0.0F, float std = 1.0F) {
  RandomStream random(1, purpose);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = mean + std * random.normal();
  return values;
}

inline void expect_near(const std::vector<float>& actual, const std::vector<double>& expected, double tolerance,
                        const char* what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double worst = 0;
  size_t where = 0;
  for (size_t i = 0; i < actual.size() && !std::isnan(worst); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]) / std::fmax(1.0, std::abs(expected[i]));
    if (!(error <= worst)) worst = error, where = i;
  }
  EXPECT_LE(worst, tolerance) << what << "[" << where << "] is " << actual[where] << ", not " << expected[where];
}

}  // namespace convoy::kernels
