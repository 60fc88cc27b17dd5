// Augmentations of a program's own.
#include "convoy/own_augmentation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <stdexcept>

#include "data/augment.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

class OwnAugmentationTest : public TrainerTest {
 protected:
  static void SetUpTestSuite() {
    TrainerTest::SetUpTestSuite();
    if (!augmentation_names().empty()) return;
    // Writes the seed into the first pixels.
    add_augmentation("test-seed", [](MutablePixels rgb, uint64_t seed) {
      ASSERT_EQ(rgb.bytes.size(), static_cast<size_t>(3 * rgb.width * rgb.height));
      std::memcpy(rgb.bytes.data(), &seed, sizeof seed);
    });
    add_augmentation("test-nothing", [](MutablePixels, uint64_t) {});
    add_augmentation("test-throws", [](MutablePixels, uint64_t) { throw std::runtime_error("two\nlines"); });
  }
  std::string weights(const std::string& experiment) const { return bytes_of(run(experiment) / "last.safetensors"); }
};

TEST_F(OwnAugmentationTest, TheSeedIsAFunctionOfRunEpochAndSample) {
  Image black(4, 4);
  std::fill_n(black.row(0), black.bytes(), uint8_t{0});
  Augmentation augmentation;
  augmentation.policy = "test-seed";
  Preprocessing preprocessing;
  preprocessing.image_size = 4;
  preprocessing.crop_pct = 1;
  const Augmenter augment(preprocessing, augmentation);
  const auto seed_of = [&](uint64_t run, uint64_t epoch, uint64_t index) {
    uint64_t seed = 0;
    std::memcpy(&seed, augment.pixels(black.view(), {run, epoch, index}).row(0), sizeof seed);
    return seed;
  };
  std::set<uint64_t> seeds, low_halves;
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t seed = seed_of(i % 10, i / 10 % 10, i / 100);
    EXPECT_EQ(seed_of(i % 10, i / 10 % 10, i / 100), seed);
    seeds.insert(seed);
    low_halves.insert(seed & 0xFFFFFFFF);
  }
  EXPECT_EQ(seeds.size(), 1000U);
  EXPECT_GT(low_halves.size(), 990U);
}

TEST_F(OwnAugmentationTest, TrainsByItsNameToTheSameBitsWithAnyThreads) {
  for (const std::string aa : {"", "test-nothing", "test-seed"}) {
    recipe_.aa = aa;
    recipe_.threads = recipe_.workers = 1;
    train(named("one" + aa), callbacks_);
    recipe_.threads = recipe_.workers = 3;
    train(named("three" + aa), callbacks_);
    EXPECT_TRUE(weights("one" + aa) == weights("three" + aa)) << aa;
  }
  EXPECT_TRUE(weights("one") == weights("onetest-nothing"));
  EXPECT_FALSE(weights("one") == weights("onetest-seed"));
}

TEST_F(OwnAugmentationTest, ResumesToTheSameBits) {
  recipe_.aa = "test-seed";
  train(named("whole"), callbacks_);
  train_until(recipe_, 8);
  recipe_.resume = true;
  train(recipe_, callbacks_);
  EXPECT_TRUE(weights("run") == weights("whole"));
}

TEST_F(OwnAugmentationTest, MistakesAreNamed) {
  recipe_.aa = "test-throws";
  EXPECT_EQ(complaint(recipe_), "aa: test-throws: two?lines");
  recipe_.aa = "test-sede";
  EXPECT_EQ(complaint(recipe_), "aa: unknown augmentation 'test-sede' (did you mean 'test-seed'?)");
  recipe_.aa = "test-seed";
  recipe_.progressive_stages = 2;
  recipe_.progressive_magnitude = 5;
  EXPECT_THAT(complaint(recipe_), HasSubstr("progressive-magnitude: expected aa to be RandAugment"));
}

TEST_F(OwnAugmentationTest, NamesAreTakenOnce) {
  const AugmentFunction nothing = [](MutablePixels, uint64_t) {};
  for (const std::string name : {"test-seed", "rand", "rand-own", "cifar10", "autoaugment", ""}) {
    EXPECT_THROW(add_augmentation(name, nothing), InternalError) << name;
  }
  EXPECT_THROW(add_augmentation("test-no-function", {}), InternalError);
}

}  // namespace
}  // namespace convoy
