#include "kernels/dropout.h"

#include <cmath>
#include <numeric>

#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;

constexpr MaskKey kKey{42, 7, 3};

std::vector<float> mask(const MaskKey& key, float probability, int64_t count) {
  const std::vector<float> ones(static_cast<size_t>(count), 1.0F);
  std::vector<float> output(ones.size());
  dropout(key, probability, count, ones.data(), output.data());
  return output;
}

TEST(Dropout, DropsTheFractionAskedForAndKeepsTheMean) {
  constexpr int64_t kCount = 100003;
  for (const float probability : {0.1F, 0.5F, 0.8F}) {
    const std::vector<float> ones(kCount, 1.0F);
    check_kernel(
        kCount, [&](float* y) { dropout(kKey, probability, kCount, ones.data(), y); },
        [&](const std::vector<float>& y) {
          int64_t kept = 0;
          for (const float value : y) {
            if (value == 0) continue;
            ++kept;
            ASSERT_FLOAT_EQ(value, 1 / (1 - probability));
          }
          const double deviation = std::sqrt(kCount * probability * (1.0 - probability));
          EXPECT_NEAR(static_cast<double>(kept), kCount * (1.0 - probability), 4 * deviation);
        });
  }
}

TEST(Dropout, MaskDependsOnSeedOpStepAndPlace) {
  const std::vector<float> base = mask(kKey, 0.5F, 10000);
  EXPECT_EQ(mask(kKey, 0.5F, 10000), base);
  for (const MaskKey& other : {MaskKey{43, 7, 3}, MaskKey{42, 8, 3}, MaskKey{42, 7, 4}}) {
    const std::vector<float> changed = mask(other, 0.5F, 10000);
    int64_t equal = 0;
    for (size_t i = 0; i < base.size(); ++i) equal += base[i] == changed[i];
    EXPECT_NEAR(static_cast<double>(equal), 5000, 200);
  }
  int64_t equal = 0;
  for (size_t i = 0; i < 4096; ++i) equal += base[i] == base[i + 4096];
  EXPECT_NEAR(static_cast<double>(equal), 2048, 130);
}

TEST(Dropout, ProbabilityZeroIsTheIdentity) { EXPECT_EQ(mask(kKey, 0.0F, 5000), std::vector<float>(5000, 1.0F)); }

TEST(DropPath, ScalesKeepTheMean) {
  std::vector<float> scales(20000);
  drop_path_scales(kKey, 0.25F, 20000, scales.data());
  EXPECT_NEAR(std::accumulate(scales.begin(), scales.end(), 0.0) / 20000, 1.0, 0.02);
  for (const float scale : scales) ASSERT_TRUE(scale == 0 || std::abs(scale - 4.0F / 3) < 1e-6F) << scale;
}

}  // namespace
}  // namespace convoy::kernels
