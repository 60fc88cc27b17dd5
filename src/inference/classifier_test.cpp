#include "convoy/classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

#include "convoy/error.h"
#include "convoy/train.h"
#include "core/parallel.h"
#include "data/image.h"
#include "inference/model_file.h"
#include "inference/predictions.h"
#include "inference/testing.h"
#include "plan/network_graph.h"
#include "tests/support/load_image.h"

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

TEST_F(ClassifierTest, InBrainFloatsProbabilitiesAreNearThoseOfFloats) {
  const auto floats = Classifier(model_file(), {.batch_size = 4}).predict({root_ / "data/val"}, 3);
  const auto narrow =
      Classifier(model_file(), {.batch_size = 4, .precision = Precision::bf16}).predict({root_ / "data/val"}, 3);
  ASSERT_THAT(narrow, SizeIs(floats.size()));
  double most = 0;
  for (size_t i = 0; i < floats.size(); ++i) {
    for (const Prediction& one : floats[i].classes) {
      const auto same = std::ranges::find(narrow[i].classes, one.class_index, &Prediction::class_index);
      ASSERT_NE(same, narrow[i].classes.end());
      most = std::max(most, std::abs(same->probability - one.probability));
    }
  }
  EXPECT_LT(most, 0.03);
  EXPECT_GT(most, 1e-6);
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
}

// The model file's bytes with a word of its header replaced by another of the same length.
std::filesystem::path renamed(const std::filesystem::path& file, const std::string& word, const std::string& by) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  bytes.replace(bytes.find(word), word.size(), by);
  const auto path = std::filesystem::path(file).replace_filename("renamed.safetensors");
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

TEST_F(ClassifierTest, AFileHoldsANetworkThatTheProgramDoesNotKnow) {
  const auto stranger = renamed(model_file(), R"(\"architecture\":\"tiny\")", R"(\"architecture\":\"tinx\")");
  Classifier known(model_file()), unknown(stranger);
  EXPECT_EQ(unknown.architecture(), "tinx");
  const std::vector<uint8_t> bytes(3 * kSide * kSide, 77);
  const Pixels image{.bytes = bytes, .width = kSide, .height = kSide};
  EXPECT_EQ(unknown.logits(std::span(&image, 1)), known.logits(std::span(&image, 1)));
  // Trained on for other classes, under the name that only the file knows.
  write_class(root_ / "two/train/left", 0, 8);
  write_class(root_ / "two/train/right", 2, 8);
  Recipe recipe = tiny_recipe(root_);
  recipe.data = (root_ / "two").string();
  recipe.model = "tinx";
  recipe.experiment = "stranger";
  recipe.initial_checkpoint = stranger.string();
  recipe.epochs = 1;
  train(recipe);
  Classifier tuned(root_ / "stranger/last.safetensors");
  EXPECT_EQ(tuned.architecture(), "tinx");
  EXPECT_THAT(tuned.class_names(), testing::ElementsAre("left", "right"));
  EXPECT_THAT(tuned.logits(std::span(&image, 1)), SizeIs(2));
  // Without the network nobody knows it.
  const auto without = renamed(stranger, "convoy.network", "convoy.retwork");
  EXPECT_THAT(complaint([&] { Classifier{without}; }), HasSubstr("unknown model 'tinx' (did you mean 'tiny'?)"));
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
    Classifier classifier(with(wrong));
    EXPECT_THAT(complaint([&] { classifier.predict({root_ / "data/val"}); }),
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
  EXPECT_THAT(complaint([&] { classifier.evaluate(folder, {.on_bad_image = OnBadImage::skip}); }),
              HasSubstr("none of the 1 images can be read"));
}

TEST_F(ClassifierTest, PixelsInMemoryAreClassifiedAsFilesAre) {
  Classifier classifier(model_file(), {.batch_size = 4});
  const std::vector<ImagePredictions> files = classifier.predict({root_ / "data/val"}, 3);
  std::vector<Image> images;
  std::vector<Pixels> pixels;
  for (const ImagePredictions& file : files) images.push_back(load_image(file.image));
  for (const Image& image : images) pixels.push_back({{image.row(0), image.bytes()}, image.width(), image.height()});
  const auto classified = classifier.classify(pixels, 3);
  const std::vector<float> logits = classifier.logits(pixels);
  const size_t classes = classifier.class_names().size();
  ASSERT_EQ(classified.size(), files.size());
  ASSERT_EQ(logits.size(), files.size() * classes);
  for (size_t i = 0; i < files.size(); ++i) {
    ASSERT_THAT(classified[i], SizeIs(files[i].classes.size()));
    for (size_t k = 0; k < classified[i].size(); ++k) {
      EXPECT_EQ(classified[i][k].class_name, files[i].classes[k].class_name);
      EXPECT_NEAR(classified[i][k].probability, files[i].classes[k].probability, 1e-6);
    }
    const auto row = logits.begin() + static_cast<ptrdiff_t>(i * classes);
    EXPECT_EQ(std::max_element(row, row + static_cast<ptrdiff_t>(classes)) - row, classified[i][0].class_index);
    const auto bytes = read_file(files[i].image);
    EXPECT_NEAR(classifier.classify_file(bytes, 1)[0].probability, files[i].classes[0].probability, 1e-6);
  }
}

TEST_F(ClassifierTest, PixelsComeInSeveralFormatsAndStrides) {
  using Format = Pixels::Format;
  Classifier classifier(model_file());
  constexpr int kWidth = 9, kHeight = 7;
  std::vector<uint8_t> rgb, padded, swapped, alpha, gray, tripled;
  for (int i = 0; i < kWidth * kHeight; ++i) {
    const uint8_t r = static_cast<uint8_t>(3 * i), g = static_cast<uint8_t>(255 - i), b = static_cast<uint8_t>(7 * i);
    rgb.insert(rgb.end(), {r, g, b});
    padded.insert(padded.end(), {r, g, b});
    if (i % kWidth == kWidth - 1) padded.insert(padded.end(), {99, 98, 97, 96, 95});
    swapped.insert(swapped.end(), {b, g, r, 77});
    alpha.insert(alpha.end(), {r, g, b, static_cast<uint8_t>(i)});
    gray.push_back(g);
    tripled.insert(tripled.end(), {g, g, g});
  }
  padded.resize(padded.size() - 5);  // the last row needs no padding
  const auto logits = [&](std::span<const uint8_t> bytes, Format format, int64_t stride = 0) {
    const Pixels pixels{bytes, kWidth, kHeight, format, stride};
    return classifier.logits({&pixels, 1});
  };
  const std::vector<float> expected = logits(rgb, Format::rgb);
  EXPECT_EQ(logits(padded, Format::rgb, 3 * kWidth + 5), expected);
  EXPECT_EQ(logits(swapped, Format::bgra), expected);
  EXPECT_EQ(logits(alpha, Format::rgba), expected);
  EXPECT_NE(logits(rgb, Format::bgr), expected);
  EXPECT_EQ(logits(gray, Format::gray), logits(tripled, Format::rgb));
}

TEST_F(ClassifierTest, PixelsThatAreNotThereAreRefused) {
  Classifier classifier(model_file());
  const std::vector<uint8_t> bytes(100);
  const auto with = [&](Pixels pixels) { return complaint([&] { classifier.classify(pixels); }); };
  EXPECT_EQ(with({bytes, 0, 5}), "pixels: expected 1x1 at least, got 0x5");
  EXPECT_EQ(with({bytes, 6, 6}), "pixels: expected 6 rows of 18 bytes, 18 apart, got 100 bytes");
  EXPECT_EQ(with({bytes, 5, 5, Pixels::Format::rgb, 14}),
            "pixels: expected a stride of at least the 15 bytes of a row, got 14");
  EXPECT_EQ(with({bytes, 5, 5, Pixels::Format::rgb, -15}),
            "pixels: expected a stride of at least the 15 bytes of a row, got -15");
  EXPECT_THAT(with({{}, 1 << 30, 1 << 30}), HasSubstr("expected 1073741824 rows of 3221225472 bytes"));
  EXPECT_THAT(complaint([&] { classifier.classify_file(bytes); }), HasSubstr("image: "));
  EXPECT_THAT(complaint([&] { classifier.classify(Pixels{bytes, 5, 5}, 0); }), HasSubstr("k: expected at least 1"));
  EXPECT_THAT(classifier.logits({}), SizeIs(0));
}

std::vector<double> probabilities(Classifier& classifier, const std::filesystem::path& images) {
  std::vector<double> all;
  for (const ImagePredictions& image : classifier.predict({images}, 1)) all.push_back(image.classes.at(0).probability);
  return all;
}

// Classifiers with as many threads as there are, one, and three, each in a thread of its own, and one in two threads.
TEST_F(ClassifierTest, SeveralThreadsUseClassifiersAtOnce) {
  Classifier first(model_file(), {.batch_size = 4});
  const std::vector<double> expected = probabilities(first, root_ / "data/val");
  const auto use = [&](Classifier& classifier) {
    for (int repeat = 0; repeat < 20; ++repeat) EXPECT_EQ(probabilities(classifier, root_ / "data/val"), expected);
  };
  const auto use_own = [&](int64_t count) {
    Classifier classifier(model_file(), {.batch_size = 4, .workers = 1, .threads = count});
    use(classifier);
  };
  std::vector<std::thread> threads;
  for (const int64_t count : {0, 1, 3}) threads.emplace_back(use_own, count);
  for (int i = 0; i < 2; ++i) threads.emplace_back(use, std::ref(first));
  for (const int count : {1, 3, 2}) set_thread_count(count);
  for (std::thread& thread : threads) thread.join();
  set_thread_count(0);
}

TEST_F(ClassifierTest, AChildProcessCanUseIt) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer starts no threads in a child";
#endif
  Classifier classifier(model_file(), {.threads = 2});
  const std::vector<double> expected = probabilities(classifier, root_ / "data/val");
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(probabilities(classifier, root_ / "data/val") == expected ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(ClassifierTest, StopsBetweenBatches) {
  Classifier classifier(model_file(), {.batch_size = 4});
  std::atomic<bool> stop = false;
  int told = 0;
  classifier.predict(
      {root_ / "data/val"}, 1,
      [&](const ImagePredictions&) {
        if (++told == 2) stop = true;
      },
      &stop);
  EXPECT_EQ(told, 4);
  stop = true;
  const EvaluationReport report = classifier.evaluate(root_ / "data", {.stop = &stop});
  EXPECT_EQ(report.total.images, 4);
}

}  // namespace
}  // namespace convoy
