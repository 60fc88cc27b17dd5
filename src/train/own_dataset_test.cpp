// Datasets of a program's own.
#include "convoy/own_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "convoy/classifier.h"
#include "convoy/data.h"
#include "data/dataset.h"
#include "formats/safetensors.h"
#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

// The images of a folder, as files or as pixels, with mistakes on demand.
class Images : public LabelledImages {
 public:
  enum class Mistake : uint8_t { none, label, negative_label, bytes, side, throws, throws_number, empty, classes };

  Images(DatasetPtr folder, bool as_pixels, Mistake mistake = Mistake::none)
      : folder_(std::move(folder)), as_pixels_(as_pixels), mistake_(mistake) {}
  int64_t size() const override { return mistake_ == Mistake::empty ? 0 : folder_->size(); }
  std::vector<std::string> class_names() const override {
    return mistake_ == Mistake::classes ? std::vector<std::string>{"a", "b", "a"} : folder_->class_names();
  }
  int label(int64_t index) const override {
    if (index == 2 && mistake_ == Mistake::label) return 3;
    if (index == 2 && mistake_ == Mistake::negative_label) return -1;
    return folder_->label(index);
  }
  std::string name(int64_t index) const override { return mistake_ == Mistake::none ? folder_->name(index) : ""; }
  OwnImage image(int64_t index) const override {
    if (index == 2 && mistake_ == Mistake::throws) throw std::runtime_error("the disk\nis gone");
    if (index == 2 && mistake_ == Mistake::throws_number) throw 5;
    if (!as_pixels_) return {*folder_->encoded(index)};
    const Image image = folder_->load(index);
    OwnImage own{{image.row(0), image.row(0) + image.bytes()}, image.width(), image.height()};
    if (index == 2 && mistake_ == Mistake::bytes) own.bytes.pop_back();
    if (index == 2 && mistake_ == Mistake::side) own.height = -1;
    return own;
  }

 private:
  DatasetPtr folder_;
  bool as_pixels_;
  Mistake mistake_;
};

class OwnDatasetTest : public TrainerTest {
 protected:
  // Known as `name`, opened anew by every test's process; of one process, the folder of the test that is run.
  void add(const std::string& name, bool as_pixels, Images::Mistake mistake = Images::Mistake::none, bool val = true) {
    data_ = recipe_.data;
    const std::vector<std::string> names = dataset_names();
    if (std::ranges::find(names, name) != names.end()) return;
    add_dataset(name, [=]() -> OwnDataset {
      const auto part = [&](Split split) {
        return std::make_shared<Images>(open_dataset(data_, split), as_pixels, mistake);
      };
      return {part(Split::train), val ? part(Split::val) : nullptr};
    });
  }
  std::string complaint_about(const std::string& name, Images::Mistake mistake) {
    add(name, true, mistake);
    Recipe recipe = recipe_;
    recipe.data = name;
    recipe.drop_last = false;
    return complaint(recipe);
  }
  static inline std::string data_;
};

TEST_F(OwnDatasetTest, TrainsAndEvaluatesByNameAsTheSameImagesInAFolder) {
  train(named("folder"), callbacks_);
  const EvaluationReport expected = Classifier(run("folder") / "best.safetensors").evaluate(recipe_.data);
  const auto tensors = [this](const std::string& experiment) {
    std::map<std::string, std::vector<float>> all;
    const SafetensorsReader reader(run(experiment) / "last.safetensors");
    for (const StoredTensor& tensor : reader.tensors()) all[tensor.name] = reader.floats(tensor.name);
    return all;
  };
  for (const bool as_pixels : {false, true}) {
    const std::string name = as_pixels ? "test-pixels" : "test-files";
    add(name, as_pixels);
    for (const int64_t threads : {1, 3}) {
      SCOPED_TRACE(name + std::to_string(threads));
      Recipe own = named(name + std::to_string(threads));
      own.data = name;
      own.threads = own.workers = threads;
      train(own, callbacks_);
      EXPECT_EQ(tensors(own.experiment), tensors("folder"));
    }
    Classifier classifier(run(name + "3") / "best.safetensors");
    for (const std::string& data : {name, std::string()}) {
      const EvaluationReport report = classifier.evaluate(data);
      EXPECT_EQ(report.total.images, 15);
      EXPECT_EQ(report.total.loss, expected.total.loss);
      EXPECT_EQ(report.trained_on, 0);
      EXPECT_EQ(report.evaluated, "15 validation images of " + name + " val");
    }
    EXPECT_EQ(classifier.evaluate(name, {.part = EvaluationPart::train}).trained_on, 42);
    EXPECT_EQ(measure_images(name).train_images, 42);
    EXPECT_EQ(check_images(name).images, 57);
  }
}

TEST_F(OwnDatasetTest, ValidatesFromWhereItIsTold) {
  add("test-whole", true, Images::Mistake::none, false);
  recipe_.data = "test-whole";
  recipe_.val = (root_ / "data/val").string();
  callbacks_.on_train_begin = [](const TrainStart& start) { EXPECT_EQ(start.val_images, 15); };
  train(named("folder"), callbacks_);
  recipe_.data = (root_ / "data/train").string();
  recipe_.val = "test-whole";
  callbacks_.on_train_begin = [](const TrainStart& start) { EXPECT_EQ(start.val_images, 42); };
  train(named("own"), callbacks_);
  recipe_.data = "test-whole";
  recipe_.val.clear();
  recipe_.val_split = 0.5;
  callbacks_.on_train_begin = [](const TrainStart& start) { EXPECT_EQ(start.val_images, 21); };
  train(named("split"), callbacks_);
}

TEST_F(OwnDatasetTest, MistakesAreNamedInOneLine) {
  using enum Images::Mistake;
  EXPECT_EQ(complaint_about("test-label", label), "test-label train: image 2 has label 3; expected 0 to 2");
  EXPECT_EQ(complaint_about("test-negative", negative_label),
            "test-negative train: image 2 has label -1; expected 0 to 2");
  EXPECT_EQ(complaint_about("test-bytes", bytes),
            "test-bytes train image 2: expected 192 bytes of 8x8 RGB pixels, got 191");
  EXPECT_EQ(complaint_about("test-side", side), "test-side train image 2: expected 1x1 pixels at least, got 8x-1");
  EXPECT_EQ(complaint_about("test-throws", throws), "test-throws train image 2: the disk?is gone");
  EXPECT_EQ(complaint_about("test-number", throws_number),
            "test-number train image 2: threw something that is no std::exception");
  EXPECT_EQ(complaint_about("test-empty", empty), "test-empty train: expected one image at least, got 0");
  EXPECT_EQ(complaint_about("test-classes", classes),
            "test-classes train: expected classes of different names, got 'a' twice");
}

TEST_F(OwnDatasetTest, BadImagesAreSkipped) {
  add("test-throws", true, Images::Mistake::throws);
  recipe_.data = "test-throws";
  recipe_.on_bad_image = OnBadImage::skip;
  EXPECT_EQ(complaint(recipe_), "");
  EXPECT_THAT(warnings_, testing::Contains(HasSubstr("test-throws train image 2: the disk?is gone")));
}

TEST_F(OwnDatasetTest, NamesAreKnownAndTakenOnce) {
  add("test-files", false);
  recipe_.data = "test-fiels";
  EXPECT_EQ(complaint(recipe_), "test-fiels: no such folder or archive (did you mean the dataset 'test-files'?)");
  EXPECT_THROW(add_dataset("test-files", [] { return OwnDataset(); }), InternalError);
  EXPECT_THROW(add_dataset("", [] { return OwnDataset(); }), InternalError);
  EXPECT_THROW(add_dataset("test-no-function", {}), InternalError);
}

}  // namespace
}  // namespace convoy
