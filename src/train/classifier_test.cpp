#include "convoy/classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "convoy/error.h"
#include "core/parallel.h"
#include "data/image.h"
#include "plan/network_graph.h"
#include "tests/support/load_image.h"
#include "train/model_file.h"
#include "train/predictions.h"
#include "train/testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class ClassifierTest : public testing::Test {
 protected:
  // One training run for all tests.
  static void SetUpTestSuite() {
    add_tiny_net();
    root_ = std::filesystem::path(testing::TempDir()) / "convoy_classifier";
    std::filesystem::remove_all(root_);
    write_dataset(root_ / "data" / "train", 20);
    write_dataset(root_ / "data" / "val", 5);
    Recipe recipe = tiny_recipe(root_);
    recipe.epochs = 6;
    recipe.lr = 0.05;
    recipe.model_ema = true;
    recipe.model_ema_decay = 0.5;
    recipe.mean = {0.4, 0.5, 0.6};
    recipe.interpolation = Recipe::Interpolation::bicubic;
    recipe.crop_pct = 1;
    trained_ = train(recipe);
  }

  static std::filesystem::path model_file() { return root_ / "run" / "last.safetensors"; }

  template <class Call>
  static std::string complaint(const Call& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  static inline std::filesystem::path root_;
  static inline TrainResult trained_;
};

TEST_F(ClassifierTest, EvaluatesAsTrainingDid) {
  Classifier classifier(model_file(), {.batch_size = 4, .workers = 1});
  EXPECT_EQ(classifier.architecture(), "tiny");
  EXPECT_EQ(classifier.image_size(), kSide);
  EXPECT_THAT(classifier.class_names(), testing::ElementsAre("class0", "class1", "class2"));
  int64_t steps = 0;
  const EvaluationReport report =
      classifier.evaluate(root_ / "data", {}, [&](const ValidationStepReport& step) { steps = step.step; });
  EXPECT_EQ(steps, 4);
  ASSERT_TRUE(trained_.val.has_value());
  EXPECT_EQ(report.total.images, 15);
  EXPECT_DOUBLE_EQ(report.total.top1, trained_.val->top1);
  EXPECT_NEAR(report.total.loss, trained_.val->loss, 1e-6);
  EXPECT_DOUBLE_EQ(classifier.metrics().at("val_top1"), report.total.top1);
  int64_t correct = 0;
  for (const ClassReport& one : report.classes) {
    EXPECT_EQ(one.images, 5);
    correct += one.correct;
  }
  EXPECT_DOUBLE_EQ(static_cast<double>(correct) / 15, report.total.top1);
  EXPECT_EQ(report.confusion[2][2], report.classes[2].correct);
  ASSERT_THAT(report.outcomes, SizeIs(15));
  EXPECT_EQ(report.outcomes[14].image, (root_ / "data/val/class2/image4.png").string());
  EXPECT_EQ(report.outcomes[14].label, 2);
}

TEST_F(ClassifierTest, TheRunFolderTellsWhatTheBestModelMadeOfEveryImage) {
  Classifier classifier(root_ / "run/best.safetensors", {.batch_size = 8});
  const std::vector<ImageOutcome> expected = classifier.evaluate(root_ / "data").outcomes;
  const std::vector<ImageOutcome> outcomes =
      read_predictions(root_ / "run" / kPredictionsFile, classifier.class_names());
  ASSERT_EQ(outcomes.size(), expected.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].image, expected[i].image);
    EXPECT_EQ(outcomes[i].label, expected[i].label);
    EXPECT_EQ(outcomes[i].predicted, expected[i].predicted);
    EXPECT_EQ(outcomes[i].rank, expected[i].rank);
    EXPECT_NEAR(outcomes[i].confidence, expected[i].confidence, 1e-6);
    EXPECT_NEAR(outcomes[i].loss, expected[i].loss, 1e-5);
  }
}

// A photo's pixels as the network sees them when it is mirrored after it was moved by `shift` pixels.
std::vector<uint8_t> moved(const Image& photo, int shift, bool mirrored) {
  const auto reflect = [](int i) { return i < 0 ? -i : (i < kSide ? i : 2 * (kSide - 1) - i); };
  std::vector<uint8_t> rgb;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const uint8_t* pixel = photo.row(reflect(y + shift)) + 3 * reflect((mirrored ? kSide - 1 - x : x) + shift);
      rgb.insert(rgb.end(), pixel, pixel + 3);
    }
  }
  return rgb;
}

// The softmax of the weighted sum of logits, which probabilities give up to a constant.
std::vector<double> average(const std::vector<ImagePredictions>& views, const std::vector<double>& weights) {
  std::vector<double> probabilities(kClasses);
  double sum = 0;
  for (int label = 0; label < kClasses; ++label) {
    double logit = 0;
    for (size_t i = 0; i < views.size(); ++i) {
      for (const Prediction& one : views[i].classes)
        logit += one.class_index == label ? weights[i] * std::log(one.probability) : 0;
    }
    sum += probabilities[static_cast<size_t>(label)] = std::exp(logit);
  }
  for (double& p : probabilities) p /= sum;
  return probabilities;
}

TEST_F(ClassifierTest, TestTimeAugmentationAveragesTheLogitsOfMovedPhotos) {
  const auto original = root_ / "data/val/class1/image0.png";
  const Image photo = load_image(original);
  const auto folder = root_ / "views";
  std::filesystem::create_directories(folder);
  int count = 0;
  for (const int shift : {0, -1, 1}) {
    for (const bool mirrored : {false, true})
      write_png(folder / (std::to_string(count++) + ".png"), moved(photo, shift, mirrored));
  }
  std::vector<ImagePredictions> views = Classifier(model_file()).predict({folder}, kClasses);
  ASSERT_THAT(views, SizeIs(6));
  const auto expect_prediction = [&](Tta tta, const std::vector<double>& expected) {
    Classifier classifier(model_file(), {.batch_size = 2, .tta = tta});
    const std::vector<ImagePredictions> predictions = classifier.predict({original}, kClasses);
    for (const Prediction& one : predictions[0].classes)
      EXPECT_NEAR(one.probability, expected[static_cast<size_t>(one.class_index)], 1e-5);
  };
  expect_prediction(Tta::hflip_shift, average(views, {0.25, 0.25, 0.125, 0.125, 0.125, 0.125}));
  views.resize(2);
  expect_prediction(Tta::hflip, average(views, {0.5, 0.5}));
  EXPECT_GT(std::abs(average(views, {0.5, 0.5})[1] - average(views, {1, 0})[1]), 1e-4);
}

TEST_F(ClassifierTest, PredictsEveryImageWhateverTheBatch) {
  Classifier classifier(model_file(), {.batch_size = 4, .workers = 0});
  const auto all = classifier.predict({root_ / "data/val"}, 2);
  ASSERT_THAT(all, SizeIs(15));
  Classifier single(model_file());
  int right = 0;
  for (const ImagePredictions& image : all) {
    ASSERT_THAT(image.classes, SizeIs(2));
    EXPECT_GE(image.classes[0].probability, image.classes[1].probability);
    EXPECT_LE(image.classes[0].probability + image.classes[1].probability, 1 + 1e-9);
    right += image.image.find(image.classes[0].class_name) != std::string::npos ? 1 : 0;
    const auto alone = single.predict({image.image}, 5);
    ASSERT_THAT(alone, SizeIs(1));
    EXPECT_THAT(alone[0].classes, SizeIs(3));
    EXPECT_EQ(alone[0].classes[0].class_name, image.classes[0].class_name);
    EXPECT_NEAR(alone[0].classes[0].probability, image.classes[0].probability, 1e-6);
  }
  EXPECT_EQ(right, static_cast<int>(trained_.val->top1 * 15 + 0.5));
}

TEST_F(ClassifierTest, NamesImagesThatItCannotRead) {
  const auto folder = root_ / "mixed";
  write_class(folder, 1, 3);
  std::ofstream(folder / "image1.png") << "not a picture";
  std::ofstream(folder / "zz.png") << "nor this";
  Classifier classifier(model_file());
  const auto images = classifier.predict({folder}, 1);
  ASSERT_THAT(images, SizeIs(4));
  EXPECT_EQ(images[0].error, "");
  EXPECT_THAT(images[1].error, HasSubstr("image1.png"));
  EXPECT_THAT(images[1].classes, SizeIs(0));
  EXPECT_EQ(images[2].error, "");
  EXPECT_THAT(images[3].error, HasSubstr("zz.png"));
}

TEST_F(ClassifierTest, MatchesClassesByName) {
  const auto data = root_ / "two_classes";
  std::filesystem::remove_all(data);
  write_class(data / "class1", 1, 4);
  write_class(data / "class2", 2, 4);
  Classifier classifier(model_file());
  const EvaluationReport report = classifier.evaluate(data);
  EXPECT_EQ(report.classes[0].images, 0);
  EXPECT_EQ(report.classes[1].images, 4);
  EXPECT_GE(report.total.top1, 0.5);
  write_class(data / "klass0", 0, 1);
  EXPECT_THAT(complaint([&] { classifier.evaluate(data); }),
              HasSubstr("unknown class 'klass0' (did you mean 'class0'?)"));
}

TEST_F(ClassifierTest, RefusesWhatIsNoModelFile) {
  EXPECT_THAT(complaint([] { Classifier("no/such.safetensors"); }), HasSubstr("no/such.safetensors"));
  const auto foreign = root_ / "foreign.safetensors";
  std::ofstream(foreign) << "rubbish";
  EXPECT_THAT(complaint([&] { Classifier{foreign}; }), HasSubstr("foreign.safetensors"));
  EXPECT_THAT(complaint([] { Classifier(root_ / "run/state-b.safetensors"); }), HasSubstr("expected a model file"));
}

// The weights of another network, at a size that no memory holds: refused before any is taken.
TEST_F(ClassifierTest, RefusesACardThatIsNotOfItsWeights) {
  const auto rewritten = [](const char* name, ModelCard card) {
    const Graph graph = inference_graph(find_model("tiny"), {.num_classes = kClasses}, {1, kSide, kSide, 3});
    Variables variables;
    variables.add(graph, 0);
    const auto path = root_ / name;
    write_model_file(path, card, graph, "", variables);
    return path;
  };
  const ModelCard own = read_model_card(SafetensorsReader(model_file()));
  ModelCard card = own;
  card.architecture = "vgg19";
  card.options.num_classes = 1000000;
  card.class_names.assign(1000000, "");
  card.preprocessing.image_size = 224;
  const auto huge = rewritten("huge.safetensors", card);
  EXPECT_THAT(complaint([&] { Classifier{huge}; }), HasSubstr("the tensors are not those of the network"));
  card = own;
  card.architecture = "tinny";
  const auto unknown = rewritten("unknown.safetensors", card);
  EXPECT_THAT(complaint([&] { Classifier{unknown}; }), HasSubstr("unknown.safetensors: unknown model 'tinny'"));
}

// A copy of the model file whose first tensor that is no counter is one number throughout.
TEST_F(ClassifierTest, WeightsAndOutputsThatAreNotFiniteAreRefused) {
  const SafetensorsReader sound(model_file());
  const StoredTensor& tensor = *std::ranges::find_if(sound.tensors(), is_floating, &StoredTensor::type);
  const auto with = [&](float value) {
    const auto path = root_ / "changed.safetensors";
    std::filesystem::copy_file(model_file(), path, std::filesystem::copy_options::overwrite_existing);
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(tensor.offset));
    for (int64_t i = 0; i < tensor.elements; ++i) stream.write(reinterpret_cast<const char*>(&value), sizeof(value));
    return path;
  };
  for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(complaint([&] { Classifier{with(wrong)}; }),
                testing::AllOf(HasSubstr("changed.safetensors: tensor"), HasSubstr(tensor.name)));
  }
  Classifier classifier(with(std::numeric_limits<float>::max()));
  EXPECT_THAT(complaint([&] { classifier.predict({root_ / "data/val"}); }),
              HasSubstr("changed.safetensors: the network's outputs for"));
  EXPECT_THAT(complaint([&] { classifier.evaluate(root_ / "data"); }), HasSubstr("are not finite numbers"));
}

TEST_F(ClassifierTest, RefusesWhatItCannotDo) {
  Classifier classifier(model_file());
  EXPECT_THAT(complaint([&] { classifier.predict({root_ / "data/val"}, 0); }), HasSubstr("k: expected at least 1"));
  const auto folder = root_ / "unreadable";
  std::filesystem::create_directories(folder / "class0");
  std::ofstream(folder / "class0/a.png") << "not a picture";
  EXPECT_THAT(complaint([&] { classifier.evaluate(folder, {.skip_bad = true}); }),
              HasSubstr("none of the 1 images can be read"));
}

// Scratch memory is planned for a number of threads.
TEST_F(ClassifierTest, PlansAnewForMoreThreads) {
  set_thread_count(1);
  Classifier classifier(model_file(), {.batch_size = 15});
  const auto one = classifier.predict({root_ / "data/val"}, 1);
  set_thread_count(3);
  const auto three = classifier.predict({root_ / "data/val"}, 1);
  set_thread_count(0);
  ASSERT_EQ(one.size(), three.size());
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].classes[0].probability, three[i].classes[0].probability);
  }
}

}  // namespace
}  // namespace convoy
