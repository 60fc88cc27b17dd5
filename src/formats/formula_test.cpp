// Against the numbers that the Python definition of the formula prints.
#include "formats/formula.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convoy {
namespace {

using testing::ElementsAre;

TEST(Formula, ValuesAreThoseOfPythonToTheBit) {
  struct Case {
    std::string_view name;
    uint64_t seed;
    std::vector<int64_t> shape;
    std::vector<float> first;
    float last;
  };
  for (const Case& c : std::vector<Case>{
           {"conv1.weight", 3, {5, 3, 3, 3}, {-0x1.0d777cp-2F, 0x1.4bce78p-2F, 0x1.6d5d6p-5F}, 0x1.b36764p-3F},
           {"bn1.weight", 3, {6}, {0x1.e0145ap-1F, 0x1.db354ap-1F, 0x1.fac5d6p-1F}, 0x1.d89b88p-1F},
           {"bn1.bias", 3, {6}, {-0x1.041374p-5F, -0x1.0cf164p-4F, 0x1.fbe38p-5F}, 0x1.77ea6ap-4F},
           {"bn1.running_mean", 3, {6}, {0x1.2908bap-4F, -0x1.68fb0ep-5F, 0x1.99319ep-4F}, 0x1.831240p-4F},
           {"bn1.running_var", 3, {6}, {0x1.e0c8eep-1F, 0x1.c5be38p-1F, 0x1.99ef82p-1F}, 0x1.d1617cp-1F},
           {"fc.weight", (uint64_t{1} << 40) + 1, {4, 7}, {-0x1.833132p-1F, -0x1.59dd96p-1F}, 0x1.85864ap-3F},
           {"table", 3, {7, 3}, {-0x1.4bb37ap-1F, -0x1.06998p+0F, 0x1.c22158p-1F}, 0x1.2f10bap-1F},
           {"scale", 1, {}, {-0x1.e951cep-7F}, -0x1.e951cep-7F},
       }) {
    const std::vector<float> values = formula_value(c.name, c.seed, c.shape);
    EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(c.first.size())), c.first)
        << c.name;
    EXPECT_EQ(values.back(), c.last) << c.name;
  }
}

TEST(Formula, ImagesAndLabels) {
  const std::vector<float> images = formula_images(5, 3, 4);
  ASSERT_EQ(images.size(), 3U * 3 * 4 * 4);
  EXPECT_EQ(images[0], 0x1.4d81ap+0F);
  EXPECT_EQ(images[2], -0x1.10d9cp+0F);
  EXPECT_EQ(images.back(), 0x1.6fdbc4p-1F);
  EXPECT_THAT(formula_labels(5, 3, 10), ElementsAre(8, 5, 2));
}

TEST(Formula, Digest) {
  const Digest whole = digest(formula_uniform("digest", 0, 21));
  EXPECT_NEAR(whole.norm, 0x1.477a2993d09d2p+1, 1e-14);
  EXPECT_NEAR(whole.sum, -0x1.ffbcf20000000p+0, 1e-14);
  EXPECT_THAT(whole.samples, ElementsAre(-0x1.4f3de4p-1, 0x1.1a2ee8p-1, -0x1.54b464p-1, -0x1.77ab3p-2, -0x1.1db4ap-3,
                                         0x1.3dbc88p-1, 0x1.0e403p-3, -0x1.434610p-2));
  const Digest fewer_elements_than_samples = digest(formula_uniform("digest", 0, 3));
  EXPECT_THAT(fewer_elements_than_samples.samples,
              ElementsAre(-0x1.4f3de4p-1, -0x1.4f3de4p-1, -0x1.4f3de4p-1, -0x1.e2ea8p-2, -0x1.e2ea8p-2, -0x1.e2ea8p-2,
                          0x1.1a2ee8p-1, 0x1.1a2ee8p-1));
}

}  // namespace
}  // namespace convoy
