#include "convoy/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"
#include "convoy/import.h"
#include "formats/encode.h"
#include "formats/safetensors.h"
#include "inference/integer_buffer.h"
#include "inference/model_file.h"
#include "inference/quantized_testing.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A model file of a small network, started at random.
class Export : public testing::Test {
 protected:
  void SetUp() override { write({.num_classes = 3, .bn_eps = 1e-5F}); }
  void TearDown() override {
    for (const auto& path : {model_, output_}) std::filesystem::remove(path);
  }

  void write(const ModelOptions& options) {
    ModelCard card{.architecture = "mobilenet_v3_small",
                   .options = options,
                   .preprocessing = {},
                   .class_names = {"a", "b", "c"},
                   .metrics = {},
                   .training = {}};
    card.preprocessing.image_size = 32;
    const Graph graph = graph_of(card, model_);
    Variables variables;
    variables.add(graph, 1);
    write_model_file(model_, card, graph, "", variables);
  }

  std::string problem(const ExportOptions& options) {
    try {
      export_model(model_, options, output_);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  const std::filesystem::path model_ = testing::TempDir() + "to_export.safetensors";
  const std::filesystem::path output_ = testing::TempDir() + "exported.safetensors";
};

TEST_F(Export, QuantisedNetworksHaveNoWeightsForLibraries) {
  write_quantized(model_, quantized_card(3, 8));
  EXPECT_EQ(problem({}), model_.string() + ": is quantised; export it as .onnx, or the model file that it was made of");
  EXPECT_FALSE(std::filesystem::exists(output_));
}

TEST_F(Export, WritesTheLibrarysNamesShapesAndIntegers) {
  ExportReport report;
  export_model(model_, {.to = "timm"}, output_, &report);
  EXPECT_EQ(report.network, "mobilenetv3_small_100");
  EXPECT_EQ(report.tensors, 210);  // timm's state_dict has 244 tensors, 34 of them integers
  EXPECT_EQ(report.integers, 34);
  EXPECT_EQ(report.largest_difference, 0);
  const SafetensorsReader model(model_), file(output_);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_THAT(file.tensor("conv_head.weight").shape, ElementsAre(1024, 576, 1, 1));
  EXPECT_EQ(file.floats("conv_head.weight"), model.floats("classifier.0.weight"));
  EXPECT_EQ(file.floats("blocks.5.0.bn1.running_var"), model.floats("features.12.1.running_var"));
  EXPECT_EQ(file.tensor("bn1.num_batches_tracked").type, DType::i64);
}

TEST_F(Export, ComesBackToTheBit) {
  export_model(model_, {.to = "timm"}, output_);
  const std::filesystem::path again = testing::TempDir() + "again.safetensors";
  ImportOptions options;
  options.recipe.model = "mobilenet_v3_small";
  options.recipe.padding = Recipe::Padding::symmetric;
  import_model(output_, options, again);
  const SafetensorsReader before(model_), after(again);
  for (const StoredTensor& tensor : before.tensors()) EXPECT_EQ(after.bytes(tensor.name), before.bytes(tensor.name));
  EXPECT_EQ(read_model_card(after).options.bn_eps, 1e-5F);
}

TEST_F(Export, RoundsToHalf) {
  for (const auto& [name, type] : {std::pair("f16", DType::f16), std::pair("bf16", DType::bf16)}) {
    ExportReport report;
    export_model(model_, {.to = "timm", .dtype = name}, output_, &report);
    EXPECT_GT(report.largest_difference, 0);
    EXPECT_LT(report.relative_difference(), 0.25);
    const SafetensorsReader model(model_), file(output_);
    EXPECT_EQ(file.tensor("classifier.weight").type, type);
    EXPECT_EQ(file.bytes("classifier.weight"), encode_floats(model.floats("classifier.3.weight"), type));
  }
}

TEST_F(Export, RefusesWhatWouldAnswerDifferently) {
  write({.num_classes = 3});
  EXPECT_THAT(problem({.to = "timm"}), HasSubstr("tf_mobilenetv3_small_100 (--bn-eps 0.001 --padding same)"));
  EXPECT_EQ(problem({.to = "torchvision"}), "");
  std::filesystem::remove(output_);
  write({.num_classes = 3, .bn_eps = 1e-3F, .same_padding = true});
  EXPECT_EQ(problem({.to = "timm"}), "");
  std::filesystem::remove(output_);
  EXPECT_THAT(problem({.to = "torchvision"}), HasSubstr("would answer differently"));
  EXPECT_THAT(problem({.to = "hf"}), HasSubstr("hf has no network like mobilenet_v3_small; of the others torchvision"));
  EXPECT_THAT(problem({.to = "keras"}), HasSubstr("expected one of torchvision, timm, hf, paddle, got 'keras'"));
  EXPECT_THAT(problem({.dtype = "f8"}), HasSubstr("dtype: expected f32, f16 or bf16, got 'f8'"));
  EXPECT_FALSE(std::filesystem::exists(output_));
  EXPECT_FALSE(std::filesystem::exists(output_.string() + ".unchecked"));
}

// The middle of a 13 x 13 table for a pixel and itself; its ends for opposite corners of the window.
TEST(IntegerBuffer, IsTorchsIndexOfRelativePositions) {
  const IntegerBuffer index = integer_buffer_beside("a.relative_position_bias_table", {169, 3});
  EXPECT_EQ(index.name, "a.relative_position_index");
  EXPECT_THAT(index.shape, ElementsAre(2401));
  EXPECT_EQ(index.values[0], 84);
  EXPECT_EQ(index.values[1], 83);
  EXPECT_EQ(index.values[7], 71);
  EXPECT_EQ(index.values[48], 0);
  EXPECT_EQ(index.values[48 * 49], 168);
  EXPECT_EQ(index.values[2400], 84);
}

}  // namespace
}  // namespace convoy
