#include "core/finite.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace convoy {
namespace {

TEST(Finite, FindsTheFirstOfAnyKindAtAnyPlace) {
  using Limits = std::numeric_limits<float>;
  std::vector<float> values(10'000, Limits::max());
  values[17] = -Limits::max();
  values[18] = Limits::denorm_min();
  EXPECT_EQ(first_not_finite(values), std::nullopt);
  EXPECT_EQ(first_not_finite({}), std::nullopt);
  for (const size_t place : {size_t{9'999}, size_t{4'096}, size_t{4'095}, size_t{0}}) {
    for (const float wrong : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()}) {
      values[place] = wrong;
      EXPECT_EQ(first_not_finite(values), place);
    }
  }
}

}  // namespace
}  // namespace convoy
