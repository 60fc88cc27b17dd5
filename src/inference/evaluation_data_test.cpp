#include "inference/evaluation_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "convoy/error.h"
#include "convoy/train.h"
#include "inference/model_file.h"
#include "inference/predictions.h"
#include "inference/testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::vector<std::string> names_of(const std::vector<ImageOutcome>& outcomes) {
  std::vector<std::string> names;
  for (const ImageOutcome& outcome : outcomes) names.push_back(outcome.image);
  return names;
}

// A run on 16 images of each of three classes, of which a quarter are held back.
class EvaluationDataTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    add_tiny_net();
    root_ = fs::path(testing::TempDir()) / "convoy_evaluation_data";
    fs::remove_all(root_);
    write_dataset(root_ / "data", 16);
    Recipe recipe = tiny_recipe(root_);
    recipe.val_split = 0.25;
    recipe.seed = 7;
    recipe.epochs = 2;
    trained_ = train(recipe);
  }

  void SetUp() override {
    scratch_ = root_ / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(scratch_);
    fs::create_directories(scratch_);
  }

  static fs::path model_file() { return root_ / "run/last.safetensors"; }
  static fs::path data() { return root_ / "data"; }
  static EvaluationReport evaluate(const fs::path& images, EvaluationPart part = EvaluationPart::held_out) {
    return Classifier(model_file()).evaluate(images, {.part = part});
  }
  static std::string complaint(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  static inline fs::path root_;
  static inline TrainResult trained_;
  fs::path scratch_;
};

TEST_F(EvaluationDataTest, WhatWasHeldBackIsEvaluatedUnlessSomethingElseIsAskedFor) {
  const std::vector<std::string> held_back =
      names_of(read_predictions(root_ / "run" / kPredictionsFile, {"class0", "class1", "class2"}));
  ASSERT_EQ(held_back.size(), 12U);
  for (const fs::path& images : {fs::path(), data()}) {
    for (const EvaluationPart part : {EvaluationPart::held_out, EvaluationPart::val}) {
      const EvaluationReport report = evaluate(images, part);
      EXPECT_EQ(names_of(report.outcomes), held_back);
      EXPECT_DOUBLE_EQ(report.total.top1, trained_.val->top1);
      EXPECT_NEAR(report.total.loss, trained_.val->loss, 1e-6);
      EXPECT_EQ(report.trained_on, 0);
      EXPECT_TRUE(report.knows_all);
      EXPECT_EQ(report.evaluated,
                "12 images of " + data().string() + " that training held back (val-split 0.25, seed 7)");
    }
  }
}

TEST_F(EvaluationDataTest, ImagesThatWereTrainedOnAreCounted) {
  const EvaluationReport train = evaluate({}, EvaluationPart::train);
  EXPECT_EQ(train.total.images, 36);
  EXPECT_EQ(train.trained_on, 36);
  EXPECT_EQ(train.evaluated, "36 training images of " + data().string());
  const EvaluationReport all = evaluate({}, EvaluationPart::all);
  EXPECT_EQ(all.total.images, 48);
  EXPECT_EQ(all.trained_on, 36);
  EXPECT_EQ(all.evaluated, "all 48 images of " + data().string());
  ASSERT_TRUE(all.not_trained_on.has_value());
  EXPECT_EQ(all.not_trained_on->images, 12);
  EXPECT_DOUBLE_EQ(all.not_trained_on->top1, trained_.val->top1);
}

TEST_F(EvaluationDataTest, TheDataIsRecognisedWhereverItLies) {
  fs::copy(data(), scratch_ / "moved", fs::copy_options::recursive);
  const EvaluationReport moved = evaluate(scratch_ / "moved");
  EXPECT_EQ(moved.total.images, 12);
  EXPECT_EQ(moved.trained_on, 0);
  EXPECT_DOUBLE_EQ(moved.total.top1, trained_.val->top1);
  const fs::path archive = scratch_ / "data.tar";
  ASSERT_EQ(std::system(("tar -cf " + archive.string() + " -C " + root_.string() + " data").c_str()), 0);
  EXPECT_EQ(evaluate(archive).total.images, 12);
  EXPECT_EQ(evaluate(archive, EvaluationPart::all).trained_on, 36);
}

TEST_F(EvaluationDataTest, ImagesAreRecognisedUnderOtherNames) {
  for (const fs::directory_entry& label : fs::directory_iterator(data())) {
    const fs::path folder = scratch_ / "renamed" / label.path().filename();
    fs::create_directories(folder);
    for (const fs::directory_entry& image : fs::directory_iterator(label))
      fs::copy(image, folder / ("copy-of-" + image.path().filename().string()));
  }
  write_class(scratch_ / "renamed/class1", 1, 3);
  const EvaluationReport report = evaluate(scratch_ / "renamed");
  EXPECT_EQ(report.total.images, 51);
  EXPECT_EQ(report.trained_on, 36);
  EXPECT_EQ(report.evaluated, "all 51 images of " + (scratch_ / "renamed").string());
  EXPECT_THAT(complaint([&] { evaluate(scratch_ / "renamed", EvaluationPart::val); }),
              HasSubstr("renamed: has no validation images, and others than these were trained on"));
}

TEST_F(EvaluationDataTest, DataWithPartsOfItsOwn) {
  for (const char* part : {"train", "val"})
    write_dataset(scratch_ / "parts" / part, part == std::string("val") ? 2 : 4);
  const fs::path parts = scratch_ / "parts";
  EXPECT_EQ(evaluate(parts).evaluated, "6 validation images of " + (parts / "val/").string());
  EXPECT_EQ(evaluate(parts, EvaluationPart::train).total.images, 12);
  const EvaluationReport all = evaluate(parts, EvaluationPart::all);
  EXPECT_EQ(all.total.images, 18);
  EXPECT_EQ(all.classes[2].images, 6);
  EXPECT_THAT(complaint([&] { evaluate(parts, EvaluationPart::test); }), HasSubstr("parts: has no test images"));

  write_dataset(parts / "test", 1);
  EXPECT_EQ(evaluate(parts, EvaluationPart::test).evaluated, "3 test images of " + parts.string());
  EXPECT_EQ(evaluate(parts).total.images, 6);
  EXPECT_EQ(evaluate(parts, EvaluationPart::all).total.images, 21);
}

TEST_F(EvaluationDataTest, TestImagesMayValidateAndPartsMayStandAlone) {
  const fs::path parts = scratch_ / "parts";
  write_dataset(parts / "train", 4);
  write_dataset(parts / "Test", 1);
  EXPECT_EQ(evaluate(parts).evaluated, "3 validation images of " + (parts / "Test/").string());
  EXPECT_EQ(evaluate(parts, EvaluationPart::test).evaluated, "3 test images of " + parts.string());
  EXPECT_EQ(evaluate(parts, EvaluationPart::all).total.images, 15);
  write_dataset(parts / "val", 2);
  fs::remove_all(parts / "train");
  EXPECT_EQ(evaluate(parts).total.images, 6);
  EXPECT_EQ(evaluate(parts, EvaluationPart::test).total.images, 3);
  EXPECT_EQ(evaluate(parts, EvaluationPart::all).total.images, 9);
  EXPECT_THAT(complaint([&] { evaluate(parts, EvaluationPart::train); }), HasSubstr("parts: has no training images"));
}

TEST_F(EvaluationDataTest, EmptyClassesAndStraysAreNamed) {
  const fs::path images = scratch_ / "images";
  write_dataset(images, 2);
  fs::remove_all(images / "class1");
  fs::create_directories(images / "class1");
  fs::copy_file(images / "class0/image0.png", images / "stray.png");
  const EvaluationReport report = evaluate(images);
  EXPECT_EQ(report.total.images, 4);
  EXPECT_THAT(report.warnings, testing::UnorderedElementsAre(HasSubstr("class1: the class folder has no images"),
                                                             HasSubstr("stray.png")));
}

TEST_F(EvaluationDataTest, TheFolderThatTrainingValidatedOn) {
  write_dataset(scratch_ / "others", 3);
  Recipe recipe = tiny_recipe(scratch_);
  recipe.data = data().string();
  recipe.val = (scratch_ / "others").string();
  recipe.epochs = 1;
  const TrainResult trained = train(recipe);
  Classifier classifier(scratch_ / "run/best.safetensors");
  for (const fs::path& images : {fs::path(), data()}) {
    const EvaluationReport report = classifier.evaluate(images);
    EXPECT_EQ(report.evaluated, "9 images of " + recipe.val + " that training validated on");
    EXPECT_DOUBLE_EQ(report.total.top1, trained.val->top1);
  }
  const EvaluationReport all = classifier.evaluate({}, {.part = EvaluationPart::all});
  EXPECT_EQ(all.total.images, 57);
  EXPECT_EQ(all.trained_on, 48);
}

TEST_F(EvaluationDataTest, WhereNothingWasHeldBackAllIsEvaluated) {
  Recipe recipe = tiny_recipe(scratch_);
  recipe.data = data().string();
  recipe.epochs = 1;
  train(recipe);
  Classifier classifier(scratch_ / "run/last.safetensors");
  const EvaluationReport report = classifier.evaluate({});
  EXPECT_EQ(report.total.images, 48);
  EXPECT_EQ(report.trained_on, 48);
  EXPECT_THAT(complaint([&] { classifier.evaluate({}, {.part = EvaluationPart::val}); }),
              HasSubstr("data: training held back none of these images"));
}

TEST_F(EvaluationDataTest, WhatTrainingUsedMustStillBeThere) {
  Recipe recipe = tiny_recipe(scratch_);
  write_dataset(scratch_ / "data", 8);
  recipe.val_split = 0.25;
  recipe.epochs = 1;
  train(recipe);
  Classifier classifier(scratch_ / "run/last.safetensors");
  EXPECT_EQ(classifier.evaluate({}).total.images, 6);
  fs::rename(scratch_ / "data/class1/image1.png", scratch_ / "data/class1/new.png");
  EXPECT_THAT(complaint([&] { classifier.evaluate({}); }),
              HasSubstr("data: these are no longer the images that " + (scratch_ / "run/last.safetensors").string()));
  EXPECT_EQ(classifier.evaluate(recipe.data).total.images, 24);
  EXPECT_EQ(classifier.evaluate(recipe.data).trained_on, 18);
  fs::remove_all(scratch_ / "data");
  EXPECT_THAT(complaint([&] { classifier.evaluate({}); }), HasSubstr("data: no such folder"));
}

TEST_F(EvaluationDataTest, AModelFileOfUnknownTrainingNeedsImages) {
  const std::string problem =
      complaint([] { open_evaluation_data({}, EvaluationPart::held_out, std::nullopt, "old.safetensors"); });
  EXPECT_EQ(problem, "old.safetensors: does not say what it was trained on; name a folder of images");
  const EvaluationData chosen = open_evaluation_data(data(), EvaluationPart::held_out, std::nullopt, "old.safetensors");
  EXPECT_EQ(chosen.images->size(), 48);
}

}  // namespace
}  // namespace convoy
