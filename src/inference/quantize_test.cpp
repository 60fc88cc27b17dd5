#include "convoy/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "convoy/classifier.h"
#include "convoy/error.h"
#include "convoy/fuse.h"
#include "convoy/train.h"
#include "core/parallel.h"
#include "inference/model_file.h"
#include "inference/testing.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Two convolutions with kernels of these sizes.
template <int first, int second>
Value pair_net(Builder b, Value x, const ModelOptions& options) {
  x = conv2d(b / "conv", x, {.out_channels = 16, .kernel = first, .padding = first / 2, .bias = false});
  x = relu(batch_norm(b / "bn", x));
  x = relu(conv2d(b / "mix", x, {.out_channels = 8, .kernel = second, .padding = second / 2}));
  return linear(b / "fc", global_avg_pool(x), {.out_features = options.num_classes, .head = true});
}

Model test_model(std::string name, decltype(Model::build) build) {
  return {.name = std::move(name),
          .description = "a test",
          .image_size = kSide,
          .num_classes = kClasses,
          .build = std::move(build)};
}

std::string bytes_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class Quantize : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    add_model(test_model("early", pair_net<3, 1>));  // most of the multiply-adds are the first layer's
    add_model(test_model("late", pair_net<1, 3>));   // the second's
    root_ = fs::path(testing::TempDir()) / "convoy_quantize";
    fs::remove_all(root_);
    write_dataset(root_ / "data", 40);
    for (const char* name : {"early", "late"}) {
      Recipe recipe = tiny_recipe(root_);
      recipe.model = recipe.experiment = name;
      recipe.epochs = 40;
      recipe.val_split = 0.25;
      train(recipe);
      fuse_model(root_ / name / "last.safetensors", {.measure = false}, trained(name));
      scale_channels(trained(name), scaled(name));
    }
  }

  // The fused network, and the same with channels of the map between its convolutions 2^-5 and 2^5 times as large.
  static fs::path trained(std::string name = "early") { return root_ / (name + ".safetensors"); }
  static fs::path scaled(std::string name = "early") { return root_ / (name + "-scaled.safetensors"); }
  static fs::path output() { return root_ / "int8.safetensors"; }

  static void scale_channels(const fs::path& from, const fs::path& into) {
    const SafetensorsReader file(from);
    const ModelCard card = read_model_card(file);
    const Graph graph = graph_of(card, from);
    Variables variables;
    read_weights(file, graph, variables);
    const auto change = [&](const std::string& name, const auto& exponent) {
      std::vector<float> values = variables.read(name);
      for (size_t i = 0; i < values.size(); ++i) values[i] = std::ldexp(values[i], exponent(i));
      variables.write(name, values);
    };
    const auto of_channel = [](size_t c) { return c % 2 == 0 ? 5 : -5; };
    for (const char* name : {"conv.weight", "conv.bias"}) change(name, [&](size_t i) { return of_channel(i % 16); });
    change("mix.weight", [&](size_t i) { return -of_channel(i / 8); });
    write_model_file(into, card, graph, "", variables);
  }

  static QuantizeReport quantize(const fs::path& file, QuantizeOptions options) {
    options.data = root_ / "data";
    QuantizeReport report;
    quantize_model(file, options, output(), &report);
    return report;
  }

  static std::string complaint(const fs::path& file, QuantizeOptions options, QuantizeReport* report = nullptr) {
    fs::remove(output());
    if (options.data.empty()) options.data = root_ / "data";
    try {
      quantize_model(file, options, output(), report);
    } catch (const Error& error) {
      EXPECT_FALSE(fs::exists(output()));
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "";
  }

  static double top1_of(const fs::path& file) { return Classifier(file).evaluate(root_ / "data").total.top1; }

  static inline fs::path root_;
};

TEST_F(Quantize, WritesAModelFileOfTheSameAccuracy) {
  const QuantizeReport report = quantize(trained(), {});
  EXPECT_EQ(report.int8_layers(), 3);
  EXPECT_EQ(report.equalized, 2);            // conv and mix, mix and fc
  EXPECT_EQ(report.calibration_images, 64);  // of 90, full batches
  EXPECT_EQ(report.measured_images, 30);
  EXPECT_GT(report.top1_before, 0.9);
  EXPECT_LE(report.drop(), 0.5);
  std::vector<std::string> names, kinds;
  for (const QuantizeReport::Layer& layer : report.layers) {
    names.push_back(layer.name);
    kinds.push_back(layer.kind);
    EXPECT_GT(layer.weight_sqnr, 35) << layer.name;
    EXPECT_GT(layer.output_sqnr, 25) << layer.name;
    EXPECT_LT(layer.weight_sqnr, 65) << layer.name;  // 8 bits are not exact
  }
  EXPECT_THAT(names, ElementsAre("conv", "mix", "fc"));
  EXPECT_THAT(kinds, ElementsAre("conv2d", "conv2d", "linear"));
  EXPECT_EQ(report.layers[0].multiply_adds, kSide * kSide * 27 * 16);
  EXPECT_EQ(report.layers[1].low, 0);  // behind a relu
  EXPECT_DOUBLE_EQ(top1_of(trained()), report.top1_before);
  EXPECT_DOUBLE_EQ(top1_of(output()), report.top1_after);
  const SafetensorsReader file(output());
  EXPECT_EQ(file.find("conv.weight")->type, DType::i8);
  EXPECT_EQ(file.find("fc.weight_scale")->type, DType::f32);
  const ModelCard card = read_model_card(file);
  EXPECT_EQ(card.architecture, "early-int8");
  EXPECT_EQ(card.class_names.size(), 3U);
}

TEST_F(Quantize, EveryWayToChooseRangesKeepsAccuracy) {
  for (const RangeMethod method : {RangeMethod::minmax, RangeMethod::percentile, RangeMethod::kl}) {
    QuantizeOptions options;
    options.ranges = method;
    EXPECT_LE(quantize(trained(), options).drop(), 0.5);
  }
}

TEST_F(Quantize, EqualisationSavesANetworkOfUnequalChannels) {
  const QuantizeReport report = quantize(scaled(), {});
  EXPECT_EQ(report.int8_layers(), 3);
  EXPECT_LE(report.drop(), 0.5);
  EXPECT_GT(report.layers[1].output_sqnr, 25);
}

TEST_F(Quantize, WithoutEqualisationTheLayerThatSuffersStaysFloat) {
  QuantizeOptions options;
  options.equalize = false;
  const QuantizeReport report = quantize(scaled(), options);
  EXPECT_EQ(report.equalized, 0);
  EXPECT_EQ(report.int8_layers(), 2);
  EXPECT_FALSE(report.layers[1].int8);
  EXPECT_THAT(report.layers[1].reason, HasSubstr("dB"));
  for (const size_t other : {0U, 2U}) EXPECT_GT(*report.layers[other].logits_sqnr, *report.layers[1].logits_sqnr);
  EXPECT_LE(report.drop(), 0.5);
  EXPECT_DOUBLE_EQ(top1_of(output()), report.top1_after);
  EXPECT_EQ(SafetensorsReader(output()).find("mix.weight")->type, DType::f32);
}

TEST_F(Quantize, RefusesWhereHalfOfTheNetworkWouldStayFloat) {
  QuantizeOptions options;
  options.equalize = false;
  QuantizeReport report;
  EXPECT_THAT(complaint(scaled("late"), options, &report),
              AllOf(HasSubstr("late-scaled.safetensors: top-1 drops from "), HasSubstr("by more than 0.5 points")));
  EXPECT_GT(report.drop(), 0.5);
  EXPECT_EQ(report.layers.size(), 3U);
  EXPECT_EQ(report.bytes_after, 0U);
  options.max_drop = 100;
  EXPECT_EQ(quantize(scaled("late"), options).int8_layers(), 3);
}

TEST_F(Quantize, RefusesWhatItCannotQuantise) {
  quantize(trained(), {});
  fs::rename(output(), root_ / "done.safetensors");
  EXPECT_THAT(complaint(root_ / "done.safetensors", {}), HasSubstr("done.safetensors: is quantised already"));
  EXPECT_THAT(complaint(root_ / "absent.safetensors", {}), HasSubstr("absent.safetensors"));
  QuantizeOptions options;
  options.data = root_ / "none";
  EXPECT_THAT(complaint(trained(), options), HasSubstr("none"));
}

// Data of one part is divided: no image both calibrates and measures.
TEST_F(Quantize, DividesDataThatHasNoParts) {
  write_dataset(root_ / "others", 10);
  QuantizeOptions options;
  options.data = root_ / "others";
  options.max_drop = 100;
  QuantizeReport report;
  quantize_model(trained(), options, output(), &report);
  EXPECT_THAT(report.calibrated_on, HasSubstr("15 images, one half of all 30 images"));
  EXPECT_THAT(report.measured_on, HasSubstr("15 images, one half of all 30 images"));
  EXPECT_EQ(report.measured_images, 15);
  EXPECT_EQ(report.calibration_images, 15);
  options.limit = 4;
  options.calibration_images = 7;
  quantize_model(trained(), options, output(), &report);
  EXPECT_EQ(report.measured_images, 4);
  EXPECT_EQ(report.calibration_images, 7);
}

TEST_F(Quantize, ThreadsDoNotMatter) {
  std::vector<std::string> files;
  for (const int threads : {1, 2}) {
    const ThreadTeamPtr team = ThreadTeam::make(threads);
    const TeamScope scope(*team);
    quantize(trained(), {});
    files.push_back(bytes_of(output()));
  }
  EXPECT_EQ(files[0], files[1]);
}

}  // namespace
}  // namespace convoy
