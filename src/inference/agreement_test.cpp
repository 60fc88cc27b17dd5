#include "convoy/agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>

#include "convoy/error.h"
#include "convoy/export.h"
#include "convoy/fuse.h"
#include "convoy/session.h"
#include "inference/model_file.h"
#include "inference/onnx_import.h"
#include "inference/quantized_testing.h"
#include "inference/testing.h"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace fs = std::filesystem;

// RepVGG's block: parallel convolutions and a norm of the input itself.
Value parallel_net(Builder b, Value x, const ModelOptions& options) {
  x = relu(batch_norm(b / "bn", conv2d(b / "stem", x, {.out_channels = 8, .kernel = 3, .padding = 1, .bias = false})));
  const Value wide = conv2d(b / "block" / "wide", x, {.out_channels = 8, .kernel = 3, .padding = 1, .bias = false});
  const Value narrow = conv2d(b / "block" / "narrow", x, {.out_channels = 8, .kernel = 1, .bias = false});
  x = add(add(batch_norm(b / "block" / "bn1", wide), batch_norm(b / "block" / "bn2", narrow)),
          batch_norm(b / "block" / "bn3", x));
  return linear(b / "fc", global_avg_pool(relu(x)), {.out_features = options.num_classes, .head = true});
}

class Agreement : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    add_tiny_net();
    if (models().contains("parallel")) return;
    add_model({.name = "parallel", .description = "", .image_size = kSide, .num_classes = 3, .build = parallel_net});
  }
  void SetUp() override {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  // A network with drawn weights and statistics away from where they start.
  fs::path write(const std::string& model, const std::function<void(ModelCard&)>& change = {}) const {
    ModelCard card{.architecture = model,
                   .options = {.num_classes = kClasses},
                   .preprocessing = {.image_size = model == "tiny_pooled" || model == "parallel" ? kSide : 32},
                   .class_names = {"class0", "class1", "class2"},
                   .metrics = {},
                   .training = {}};
    if (change) change(card);
    const Graph graph = graph_of(card, model);
    Variables variables;
    variables.add(graph, 1);
    for (const auto& [name, variable] : variables.all()) {
      if (variable.shape.rank() != 1) continue;
      RandomStream random(1, name);
      const bool is_scale = name.ends_with("running_var") || name.ends_with("weight");
      std::generate_n(variable.floats(), variable.elements(),
                      [&] { return random.uniform(is_scale ? 0.5F : -0.3F, is_scale ? 1.5F : 0.3F); });
    }
    const fs::path file = root_ / (model + "-" + std::to_string(files_++) + ".safetensors");
    write_model_file(file, card, graph, "", variables);
    return file;
  }
  // The same network with one tensor changed.
  fs::path changed(const fs::path& file, const std::string& tensor,
                   const std::function<void(std::vector<float>&)>& change) const {
    TrainedNetwork network(file);
    std::vector<float> values = network.weight(tensor);
    change(values);
    network.set_weight(tensor, values);
    const fs::path output = root_ / ("changed-" + std::to_string(files_++) + ".safetensors");
    network.save(output);
    return output;
  }
  fs::path exported(const fs::path& file) const {
    const fs::path output = root_ / (file.stem().string() + ".onnx");
    export_onnx(file, {}, output);
    return output;
  }
  static std::string complaint(const fs::path& a, const fs::path& b, const AgreementOptions& options = {}) {
    try {
      measure_agreement(a, b, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  static inline int files_ = 0;
  const fs::path root_ = fs::path(testing::TempDir()) / "convoy_agreement";
};

std::vector<std::string> names_of(const AgreementReport& report) {
  std::vector<std::string> names;
  for (const LayerAgreement& layer : report.layers) names.push_back(layer.a);
  return names;
}

double worst_of(const AgreementReport& report) {
  double worst = report.logits.error;
  for (const LayerAgreement& layer : report.layers) worst = std::max(worst, layer.error);
  return worst;
}

TEST_F(Agreement, ANetworkIsItself) {
  const fs::path file = write("resnet9");
  const AgreementReport report = measure_agreement(file, file, {.most_images = 6});
  EXPECT_THAT(names_of(report), ElementsAre("stem.conv", "down1.conv", "res1.0.conv", "res1.1.conv", "down2.conv",
                                            "down3.conv", "res3.0.conv", "res3.1.conv", "fc"));
  EXPECT_EQ(worst_of(report), 0);
  EXPECT_EQ(report.logits.tolerance, 1e-4);
  EXPECT_EQ(report.first_departure(), nullptr);
  EXPECT_EQ(report.images, 6);
  EXPECT_EQ(report.same_class, 6);
  EXPECT_EQ(report.by_order, 0);
  EXPECT_EQ(report.evaluated, "");
  EXPECT_FALSE(report.top1_a || report.top1_b);
  EXPECT_THAT(report.warnings, IsEmpty());
}

TEST_F(Agreement, MapsOfBrainFloatsAreJudgedByTheirPrecision) {
  const fs::path file = write("resnet9");
  const AgreementOptions options{.most_images = 6, .precision = Precision::bf16};
  const AgreementReport report = measure_agreement(file, file, options);
  EXPECT_EQ(report.first_departure(), nullptr);
  for (const LayerAgreement& layer : report.layers) {
    EXPECT_GT(layer.error, 1e-3) << layer.a;  // a rounding to 8 bits
    EXPECT_EQ(layer.tolerance, 0.1) << layer.a;
  }
  const auto half = [](auto& values) {
    for (float& x : values) x *= 0.7F;
  };
  const AgreementReport other = measure_agreement(file, changed(file, "res1.0.conv.weight", half), options);
  ASSERT_NE(other.first_departure(), nullptr);
  EXPECT_EQ(other.first_departure()->a, "res1.0.conv");
}

// What was folded is rounded otherwise, so that an error of exactly 0 would mean that nothing was compared.
TEST_F(Agreement, TheFusedFormIsTheSameNetwork) {
  const auto acnet = [](ModelCard& card) { card.options.acnet = true; };
  for (const auto& [file, layers] :
       {std::pair{write("resnet9"), 9}, {write("parallel"), 3}, {write("resnet9", acnet), 9}}) {
    const fs::path fused = root_ / "fused.safetensors";
    fuse_model(file, {.tolerance = 1e-3, .measure = false}, fused);
    for (const auto& [a, b] : {std::pair{file, fused}, {fused, file}}) {
      const AgreementReport report = measure_agreement(a, b, {.most_images = 5});
      EXPECT_EQ(report.layers.size(), layers);
      EXPECT_THAT(report.only_in_a, IsEmpty());
      EXPECT_THAT(report.only_in_b, IsEmpty());
      EXPECT_EQ(report.by_order, 0);
      EXPECT_EQ(report.first_departure(), nullptr);
      EXPECT_GT(worst_of(report), 0);
      EXPECT_LT(worst_of(report), 1e-5);
    }
  }
}

TEST_F(Agreement, AChangedTensorIsNamedByTheLayerThatItBelongsTo) {
  const fs::path file = write("parallel"), fused = root_ / "fused.safetensors";
  fuse_model(file, {.tolerance = 1e-3, .measure = false}, fused);
  const std::vector<std::string> layers = names_of(measure_agreement(file, file));
  ASSERT_THAT(layers, ElementsAre("stem", "block.fused", "fc"));
  for (const auto& [tensor, layer] : {std::pair{"stem.weight", 0},
                                      {"bn.running_var", 0},
                                      {"block.wide.weight", 1},
                                      {"block.narrow.weight", 1},
                                      {"block.bn2.bias", 1},
                                      {"block.bn3.weight", 1},
                                      {"fc.weight", 2},
                                      {"fc.bias", 2}}) {
    const fs::path other = changed(file, tensor, [](std::vector<float>& values) { values[1] += 0.05F; });
    for (const fs::path& original : {file, fused}) {
      const AgreementReport report = measure_agreement(original, other, {.most_images = 4});
      ASSERT_NE(report.first_departure(), nullptr) << tensor;
      EXPECT_EQ(report.first_departure()->a, layers[static_cast<size_t>(layer)]) << tensor;
      for (size_t i = static_cast<size_t>(layer); i < 3; ++i) EXPECT_FALSE(report.layers[i].agrees()) << tensor;
      EXPECT_FALSE(report.logits.agrees());
    }
  }
}

// The head's weight is zero, so that its bias is what it makes.
TEST_F(Agreement, AnErrorIsAShareOfTheLargestMagnitudeOfTheFirst) {
  const fs::path file =
      changed(write("tiny_pooled"), "fc.weight", [](auto& values) { std::ranges::fill(values, 0.0F); });
  const fs::path a = changed(file, "fc.bias", [](auto& values) { values = {1, 2, -4}; });
  const fs::path b = changed(file, "fc.bias", [](auto& values) { values = {1, 2.5F, -4.25F}; });
  const AgreementReport report = measure_agreement(a, b, {.most_images = 3});
  EXPECT_EQ(report.layers[0].error, 0);
  EXPECT_EQ(report.layers[1].error, 0.125);
  EXPECT_EQ(report.logits.error, 0.125);
  EXPECT_EQ(report.first_departure(), &report.layers[1]);
  EXPECT_EQ(measure_agreement(b, a).logits.error, 0.5 / 4.25);
  const fs::path c = changed(file, "fc.bias", [](auto& values) { values = {1, 2.00075F, -4}; });
  const fs::path d = changed(file, "fc.bias", [](auto& values) { values = {1, 2.00025F, -4}; });
  EXPECT_FALSE(measure_agreement(a, c).logits.agrees());  // 1.9e-4
  EXPECT_TRUE(measure_agreement(a, d).logits.agrees());   // 6e-5
}

// What its layers make are bytes in the file's graph, or floats.
TEST_F(Agreement, QuantisedLayersAreCompared) {
  const fs::path file = root_ / "quantised.safetensors";
  write_quantized(file, quantized_card(kClasses, kSide));
  const AgreementReport same = measure_agreement(file, file, {.most_images = 3});
  EXPECT_THAT(names_of(same), ElementsAre("conv", "mix", "fc"));
  EXPECT_EQ(worst_of(same), 0);
  EXPECT_EQ(same.layers[1].tolerance, 0.5);
  const fs::path other = changed(file, "mix.weight_scale", [](auto& values) {
    for (float& x : values) x *= 3;
  });
  const AgreementReport report = measure_agreement(file, other, {.most_images = 3});
  ASSERT_NE(report.first_departure(), nullptr);
  EXPECT_EQ(report.first_departure()->a, "mix");
  EXPECT_EQ(report.layers[0].error, 0);
}

TEST_F(Agreement, WhatIsNotFiniteDeparts) {
  const fs::path file = write("parallel");
  const float huge = std::numeric_limits<float>::max();
  const fs::path overflows = changed(file, "block.wide.weight", [&](auto& values) { std::ranges::fill(values, huge); });
  for (const auto& [a, b] : {std::pair{overflows, overflows}, {file, overflows}, {overflows, file}}) {
    const AgreementReport report = measure_agreement(a, b, {.most_images = 4});
    EXPECT_EQ(report.layers[0].error, 0);
    EXPECT_EQ(report.first_departure(), &report.layers[1]);
    EXPECT_EQ(report.layers[1].error, std::numeric_limits<double>::infinity());
  }
}

TEST_F(Agreement, AnOnnxModelIsTheNetworkThatItWasMadeOf) {
  const auto acnet = [](ModelCard& card) { card.options.acnet = true; };
  for (const fs::path& file : {write("resnet9"), write("resnet9", acnet), write("mobilenet_v2"), write("parallel")}) {
    const fs::path onnx = exported(file);
    const std::vector<std::string> layers = names_of(measure_agreement(file, file, {.most_images = 1}));
    for (const auto& [a, b] : {std::pair{file, onnx}, {onnx, file}, {onnx, onnx}}) {
      const AgreementReport report = measure_agreement(a, b, {.most_images = 3});
      EXPECT_EQ(names_of(report), layers);
      EXPECT_EQ(report.by_order, 0);
      EXPECT_THAT(report.only_in_a, IsEmpty());
      EXPECT_THAT(report.only_in_b, IsEmpty());
      EXPECT_EQ(report.first_departure(), nullptr) << report.first_departure()->a;
      EXPECT_LT(worst_of(report), 1e-5);
      EXPECT_THAT(report.warnings, IsEmpty());
    }
  }
}

// As exporters do that fold norms and number what they make: the fused form under other names, of images of any size.
TEST_F(Agreement, LayersOfOtherNamesAreMatchedByOrder) {
  const fs::path file = write("resnet9"), fused = root_ / "fused.safetensors";
  fuse_model(file, {.tolerance = 1e-3, .measure = false}, fused);
  const fs::path onnx = exported(fused);
  OnnxModel model = read_onnx(onnx);
  for (OnnxTensor& tensor : model.tensors) {
    const std::string name = "onnx::" + std::to_string(&tensor - model.tensors.data());
    for (OnnxNode& node : model.nodes) std::ranges::replace(node.inputs, tensor.name, name);
    tensor.name = name;
  }
  model.inputs[0].shape[2] = model.inputs[0].shape[3] = std::string("side");
  model.metadata.clear();
  const fs::path renamed = root_ / "renamed.onnx";
  write_onnx(renamed, model);
  for (const auto& [a, b] : {std::pair{file, renamed}, {renamed, file}}) {
    const AgreementReport report = measure_agreement(a, b, {.most_images = 3});
    EXPECT_EQ(report.layers.size(), 9);
    EXPECT_EQ(report.by_order, 9);
    EXPECT_EQ(report.first_departure(), nullptr);
    EXPECT_GT(worst_of(report), 0);
  }
  const fs::path other = changed(file, "res3.0.conv.weight", [](auto& values) { values[5] += 0.1F; });
  EXPECT_EQ(measure_agreement(other, renamed).first_departure()->a, "res3.0.conv");
}

TEST_F(Agreement, WhatHasNoCounterpartIsSaid) {
  const AgreementReport report = measure_agreement(write("parallel"), write("tiny_pooled"), {.most_images = 2});
  EXPECT_THAT(names_of(report), ElementsAre("stem", "fc"));
  EXPECT_EQ(report.layers[0].b, "conv");
  EXPECT_EQ(report.by_order, 1);
  EXPECT_THAT(report.only_in_a, ElementsAre("block.fused"));
  EXPECT_THAT(report.only_in_b, IsEmpty());
  EXPECT_NE(report.first_departure(), nullptr);
}

TEST_F(Agreement, RightAnswersAreCountedWhereClassesAreKnown) {
  write_dataset(root_ / "data", 5);
  const fs::path file =
      changed(write("tiny_pooled"), "fc.weight", [](auto& values) { std::ranges::fill(values, 0.0F); });
  const fs::path a = changed(file, "fc.bias", [](auto& values) { values = {1, 0, 0}; });
  const fs::path b = changed(file, "fc.bias", [](auto& values) { values = {0, 0, 1}; });
  AgreementReport report = measure_agreement(a, b, {.data = root_ / "data"});
  EXPECT_EQ(report.images, 15);
  EXPECT_THAT(report.evaluated, AllOf(HasSubstr("15 images of "), HasSubstr("data")));
  EXPECT_EQ(report.same_class, 0);
  EXPECT_EQ(report.top1_a, 5.0 / 15);
  EXPECT_EQ(report.top1_b, 5.0 / 15);
  EXPECT_EQ(measure_agreement(a, b, {.data = root_ / "data", .most_images = 7}).images, 7);

  // Classes are matched by name, and there may be fewer than the network has.
  fs::remove_all(root_ / "data" / "class0");
  report = measure_agreement(a, b, {.data = root_ / "data"});
  EXPECT_EQ(report.top1_a, 0);
  EXPECT_EQ(report.top1_b, 0.5);
  fs::rename(root_ / "data" / "class1", root_ / "data" / "dog");
  report = measure_agreement(a, b, {.data = root_ / "data"});
  EXPECT_EQ(report.images, 10);
  EXPECT_FALSE(report.top1_a || report.top1_b);
  EXPECT_THAT(report.warnings, ElementsAre(AllOf(HasSubstr("unknown class 'dog'"), HasSubstr("does not know;"))));
}

TEST_F(Agreement, OtherPreparationAndClassNamesAreWarnedOf) {
  const fs::path file = write("tiny_pooled");
  const fs::path other = write("tiny_pooled", [](ModelCard& card) {
    card.preprocessing.mean = {0, 0, 0};
    card.class_names = {"class0", "class1", "dog"};
  });
  const AgreementReport report = measure_agreement(file, other);
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("prepare images differently"), HasSubstr("compared by number")));
  EXPECT_EQ(report.first_departure(), nullptr);
}

TEST_F(Agreement, WhatCannotBeComparedIsToldInOneLine) {
  const fs::path file = write("tiny_pooled");
  const fs::path large = write("tiny_pooled", [](ModelCard& card) { card.preprocessing.image_size = 16; });
  const fs::path more = write("tiny_pooled", [](ModelCard& card) {
    card.options.num_classes = 4;
    card.class_names.emplace_back("class3");
  });
  EXPECT_EQ(complaint(file, large), file.string() + " takes images of 8 pixels, " + large.string() +
                                        " of 16; expected networks that take the same images");
  EXPECT_THAT(complaint(exported(large), file), HasSubstr("takes images of 16 pixels"));
  EXPECT_EQ(complaint(file, more),
            file.string() + " has 3 classes, " + more.string() + " 4; expected networks of the same classes");
  EXPECT_THAT(complaint(file, root_ / "absent.safetensors"), HasSubstr("absent.safetensors"));
  EXPECT_THAT(complaint(root_ / "absent.onnx", file), HasSubstr("absent.onnx"));
  EXPECT_THAT(complaint(file, file, {.data = root_ / "absent"}), HasSubstr("absent"));
  EXPECT_THAT(complaint(file, file, {.most_images = 0}), HasSubstr("most_images: expected at least 1, got 0"));
}

}  // namespace
}  // namespace convoy
