#include "convoy/fuse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/classifier.h"
#include "convoy/error.h"
#include "convoy/train.h"
#include "formats/safetensors.h"
#include "inference/testing.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class Fuse : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    add_tiny_net();
    root_ = std::filesystem::path(testing::TempDir()) / "convoy_fuse";
    std::filesystem::remove_all(root_);
    write_dataset(root_ / "data", 10);
    Recipe recipe = tiny_recipe(root_);
    recipe.epochs = 2;
    recipe.val_split = 0.2;
    train(recipe);
  }
  static std::filesystem::path model_file() { return root_ / "run" / "last.safetensors"; }
  static std::filesystem::path output() { return root_ / "fused.safetensors"; }

  static std::string complaint(const std::filesystem::path& file, const FuseOptions& options) {
    std::filesystem::remove(root_ / "none.safetensors");
    try {
      fuse_model(file, options, root_ / "none.safetensors");
    } catch (const Error& error) {
      EXPECT_FALSE(std::filesystem::exists(root_ / "none.safetensors"));
      return error.what();
    }
    return "";
  }

  static inline std::filesystem::path root_;
};

TEST_F(Fuse, TheFusedFileClassifiesAsTheOther) {
  FuseReport report;
  FuseOptions options{.data = root_ / "data"};
  options.most_images = 20;
  fuse_model(model_file(), options, output(), &report);
  EXPECT_THAT(report.rewrites, ElementsAre(Pair("norm", 1)));
  EXPECT_TRUE(report.real_images);
  EXPECT_EQ(report.images, 20);
  EXPECT_EQ(report.other_classes, 0);
  EXPECT_LT(report.relative_difference(), 1e-5);
  EXPECT_EQ(report.before.parameters - report.after.parameters, 8);  // a norm's weight and bias against a bias
  EXPECT_EQ(report.before.statistics, 16);
  EXPECT_EQ(report.after.statistics, 0);
  EXPECT_EQ(report.before.multiply_adds, report.after.multiply_adds);
  EXPECT_GT(report.after.img_per_s, 0);

  const SafetensorsReader file(output());
  std::vector<std::string> names;
  for (const StoredTensor& tensor : file.tensors()) names.push_back(tensor.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("conv.weight", "conv.bias", "fc.weight", "fc.bias"));

  Classifier before(model_file()), after(output());
  const auto expected = before.predict({root_ / "data"}), got = after.predict({root_ / "data"});
  ASSERT_EQ(expected.size(), got.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(expected[i].classes[0].class_name, got[i].classes[0].class_name);
    EXPECT_NEAR(expected[i].classes[0].probability, got[i].classes[0].probability, 1e-5);
  }
}

TEST_F(Fuse, ComparesOnTheImagesGivenOrOnRandomOnes) {
  FuseReport report;
  FuseOptions options{.images = {root_ / "data" / "class0"}};
  options.measure = false;
  options.most_images = 7;
  options.batch_size = 4;
  fuse_model(model_file(), options, output(), &report);
  EXPECT_EQ(report.images, 7);
  EXPECT_EQ(report.before.img_per_s, 0);
  report = {};
  options.images.clear();
  fuse_model(model_file(), options, output(), &report);
  EXPECT_FALSE(report.real_images);
  EXPECT_EQ(report.images, 4);
}

TEST_F(Fuse, RefusesWhatItShouldNotWrite) {
  FuseOptions options;
  options.measure = false;
  options.tolerance = 0;
  EXPECT_THAT(complaint(model_file(), options), HasSubstr("more than the tolerance of 0"));
  options.tolerance = 1e-4;
  fuse_model(model_file(), options, output());
  EXPECT_THAT(complaint(output(), options), HasSubstr("is fused already"));
  EXPECT_THAT(complaint(root_ / "absent", options), HasSubstr("cannot open"));
}

}  // namespace
}  // namespace convoy
