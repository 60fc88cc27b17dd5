#include "data/auto_augment.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>

#include "convoy/error.h"
#include "tests/support/draws.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kNames{
    "identity", "shear_x",   "shear_y",   "translate_x", "translate_y",  "rotate",        "brightness", "color",
    "contrast", "sharpness", "posterize", "solarize",    "solarize_add", "auto_contrast", "equalize",   "invert"};

// Op and argument in thousandths.
using Key = std::pair<std::string, int64_t>;

Key key_of(const std::string& name, double argument) { return {name, std::llround(argument * 1000)}; }

std::map<Key, double> recorded(const std::filesystem::path& file) {
  std::map<Key, double> frequencies;
  std::ifstream stream(file);
  std::string name;
  for (double argument = 0, frequency = 0; stream >> name >> argument >> frequency;) {
    frequencies[key_of(name, argument)] += frequency;
  }
  return frequencies;
}

TEST(AutoAugment, PoliciesDrawWhatTimmAndTorchvisionDraw) {
  int policies = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "policies")) {
    const std::string text = entry.path().stem().string();
    const std::map<Key, double> expected = recorded(entry.path());
    ASSERT_FALSE(expected.empty()) << text;
    const AutoAugment policy(text);
    RandomStream random(1, "policy");
    std::map<Key, double> drawn;
    constexpr int kDraws = 100'000;
    for (int i = 0; i < kDraws; ++i) {
      for (const auto& [op, argument] : policy.draw(40, 30, random)) {
        drawn[key_of(kNames[static_cast<size_t>(op)], argument)] += 1.0 / kDraws;
      }
    }
    for (const auto& [step, frequency] : drawn) {
      EXPECT_TRUE(expected.contains(step)) << text << ": " << step.first << " " << step.second;
    }
    for (const auto& [step, frequency] : expected) {
      EXPECT_NEAR(drawn[step], frequency, 5 * std::sqrt(frequency / kDraws))
          << text << ": " << step.first << " " << step.second;
    }
    ++policies;
  }
  EXPECT_EQ(policies, 11);
}

TEST(AutoAugment, MagnitudesSpreadAsAsked) {
  const auto shears = [](const char* text) {
    const AutoAugment policy(text);
    RandomStream random(1, "policy");
    std::vector<double> levels;
    for (int i = 0; i < 40'000; ++i) {
      for (const auto& [op, argument] : policy.draw(40, 30, random)) {
        if (op == ImageOp::shear_x) levels.push_back(std::abs(argument) / 0.3 * 10);
      }
    }
    double sum = 0, squares = 0;
    for (const double level : levels) sum += level;
    const double mean = sum / static_cast<double>(levels.size());
    for (const double level : levels) squares += (level - mean) * (level - mean);
    return std::array<double, 3>{mean, std::sqrt(squares / static_cast<double>(levels.size())),
                                 std::ranges::max(levels)};
  };
  const auto normal = shears("rand-m5-mstd0.5");
  EXPECT_NEAR(normal[0], 5, 0.05);
  EXPECT_NEAR(normal[1], 0.5, 0.03);
  const auto uniform = shears("rand-m8-mstd101");
  EXPECT_NEAR(uniform[0], 4, 0.2);
  EXPECT_NEAR(uniform[1], 8 / std::sqrt(12.0), 0.1);
  EXPECT_NEAR(shears("rand-m20")[2], 10, 1e-9);
  EXPECT_NEAR(shears("rand-m20-mmax15")[2], 15, 1e-9);
}

TEST(AutoAugment, AugMixChangesTheImageAsTimmChangesIt) {
  const Image source = load_image(testing::data_folder() / "images" / "source.png");
  const AutoAugment policy("augmix-m3-w3");
  testing::Counts drawn;
  for (uint64_t sample = 0; sample < 10'000; ++sample) {
    Image image = copy_of(source.view());
    RandomStream random(1, "policy", 0, sample);
    policy(image, {Interpolation::bilinear, {128, 128, 128}}, random);
    int64_t difference = 0;
    for (size_t i = 0; i < image.bytes(); ++i) difference += std::abs(image.row(0)[i] - source.row(0)[i]);
    ++drawn[fmt::format("{}", difference / static_cast<int64_t>(image.bytes()))];
  }
  testing::expect_as_recorded(drawn, "augmix");
}

std::string refusal(const char* text) {
  try {
    const AutoAugment policy(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(AutoAugment, SaysWhatMayBeWritten) {
  for (const char* text : {"rand-m9-mstd0.5-inc1", "rand", "autoaugment", "original-mstd0.5", "v0r", "imagenet",
                           "cifar10", "trivial", "augmix-m5-w4-d2"}) {
    EXPECT_EQ(refusal(text), "accepted") << text;
  }
  EXPECT_THAT(refusal("trivail"), HasSubstr("aa: unknown policy 'trivail' (did you mean 'trivial'?)"));
  EXPECT_THAT(refusal("rand-x9"), HasSubstr("rand has no setting 'x'; it has m, n, p, mstd, mmax, inc"));
  EXPECT_THAT(refusal("rand-m"), HasSubstr("got 'm' in 'rand-m'"));
  EXPECT_THAT(refusal("rand-m9x"), HasSubstr("got 'm9x'"));
  EXPECT_THAT(refusal("rand-n0"), HasSubstr("n to be an integer from 1 to 100, got 0"));
  EXPECT_THAT(refusal("rand-p2"), HasSubstr("p to be a probability"));
  EXPECT_THAT(refusal("trivial-m3"), HasSubstr("trivial has no setting 'm'"));
  EXPECT_THAT(refusal("imagenet-mstd1"), HasSubstr("imagenet has no setting 'mstd'"));
  EXPECT_THAT(refusal(""), HasSubstr("aa: "));
}

}  // namespace
}  // namespace convoy
