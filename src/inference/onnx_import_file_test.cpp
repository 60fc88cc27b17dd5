// What is wrong with ONNX models is told in one line; and import_model() of their files.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <protozero/pbf_writer.hpp>

#include "convoy/classifier.h"
#include "convoy/error.h"
#include "convoy/export.h"
#include "convoy/import.h"
#include "convoy/session.h"
#include "formats/onnx_fields.h"
#include "formats/safetensors.h"
#include "inference/model_file.h"
#include "inference/onnx_import.h"
#include "inference/onnx_testing.h"

namespace convoy {
namespace {

using namespace onnx_testing;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string problem_of(const OnnxModel& model) {
  try {
    onnx_network(model);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(OnnxImport, UnsupportedOperatorsAreListed) {
  const OnnxModel model =
      model_of(kAny,
               {node("Odd", {"x"}, "a"), node("Odd", {"a"}, "b"), node("Odd", {"x"}, "c"), node("Odd", {"x"}, "d"),
                node("Odd", {"x"}, "e"), node("my.Own", {"x"}, "f"), node("Sum", {"b", "c", "d", "e", "f"}, "y")},
               {});
  EXPECT_EQ(problem_of(model),
            "operators that are not supported: Odd (4: \"/a\", \"/c\", \"/d\", ...), my.Own (1: \"/f\"); docs/onnx.md "
            "lists those that are");
}

TEST(OnnxImport, MixedImagesAreRefused) {
  const auto reshaped = [](const Extents& to) {
    return problem_of(
        model_of(kAny, {node("Flatten", {"x"}, "a"), node("Reshape", {"a", "to"}, "y")}, {integers("to", to)}));
  };
  EXPECT_EQ(reshaped({-1, 192}), "");
  for (const Extents& to : {Extents{2, -1}, Extents{-1, 96}, Extents{1, -1}}) {
    EXPECT_NE(reshaped(to), "") << testing::PrintToString(to);
  }
  EXPECT_THAT(reshaped({2, -1}), AllOf(HasSubstr("Reshape \"/y\": "), HasSubstr("mix images")));
  const auto after = [](const Extent& batch, const OnnxNode& last, const std::vector<OnnxTensor>& tensors) {
    return problem_of(model_of(batch, {node("Flatten", {"x"}, "a"), node("Transpose", {"a"}, "t"), last}, tensors));
  };
  EXPECT_THAT(after(kAny, node("Identity", {"t"}, "y"), {}), HasSubstr("expected logits {N, classes}, got {192, 1}"));
  for (const Extent& batch : {kAny, Extent(int64_t{1})}) {
    EXPECT_THAT(after(batch, node("Softmax", {"t"}, "y", {}), {}), HasSubstr("expected logits"));
    EXPECT_THAT(after(batch, node("MatMul", {"w", "t"}, "y"), {floats("w", {1, 192})}), HasSubstr("mix images"));
    EXPECT_THAT(after(batch, node("ReduceMean", {"t"}, "y", {{"axes", Extents{1}}}), {}),
                HasSubstr("ReduceMean \"/y\": it reduces the axis of the images"));
  }
}

TEST(OnnxImport, WhatDoesNotFitIsToldInOneLine) {
  using Change = std::function<void(OnnxModel&)>;
  const auto replace = [](size_t index, const Extents& shape) -> Change {
    return [=](OnnxModel& m) { m.tensors[index] = floats(m.tensors[index].name, shape); };
  };
  const std::pair<Change, const char*> cases[] = {
      {[](OnnxModel& m) { m.inputs[0].shape.pop_back(); }, "input \"x\", got 3 axes"},
      {[](OnnxModel& m) { m.inputs[0].shape[1] = int64_t{1}; }, "float images {N, 3, S, S} as input \"x\", got {"},
      {[](OnnxModel& m) { m.inputs[0].shape[3] = int64_t{9}; }, "float images {N, 3, S, S} as input \"x\", got {"},
      {[](OnnxModel& m) { m.inputs[0].shape[0] = int64_t{4}; }, "got batches of 4"},
      {[](OnnxModel& m) { m.inputs[0].type = DType::u8; }, "input \"x\", got U8"},
      {[](OnnxModel& m) { m.inputs.push_back(m.inputs[0]); }, "its images, got 2 inputs"},
      {[](OnnxModel& m) { m.inputs.clear(); }, "its images, got 0 inputs"},
      {[](OnnxModel& m) { m.outputs.clear(); }, "a model with an output, got none"},
      {[](OnnxModel& m) { m.outputs[0].name = std::string("other"); }, "\"other\""},
      {[](OnnxModel& m) { m.outputs[0].name = std::string("a"); }, "expected logits {N, classes}, got {1, 4, 5, 8}"},
      {[](OnnxModel& m) { m.outputs[0].name = std::string("fc.bias"); }, "\"fc.bias\""},
      {[](OnnxModel& m) { m.nodes[1].inputs[0] = std::string("nothing"); },
       "Relu \"/b\": no earlier node makes its input"},
      {[](OnnxModel& m) { m.nodes[0].inputs[0] = std::string("d"); },
       "Conv \"/a\": no earlier node makes its input \"d\""},
      {[](OnnxModel& m) { std::swap(m.nodes[1], m.nodes[2]); }, "\"/c\": no earlier node makes its input \"b\""},
      {[](OnnxModel& m) { m.nodes[0].inputs.resize(1); }, "Conv \"/a\": its input 1 is missing"},
      {[](OnnxModel& m) {
         m.nodes[0].attributes.push_back({"group", int64_t{3}});
       },
       "Conv \"/a\": expected 9 channels"},
      {[](OnnxModel& m) {
         m.nodes[0].attributes.push_back({"group", int64_t{0}});
       },
       "Conv \"/a\": "},
      {[](OnnxModel& m) { m.nodes[0].attributes[0].value = 1.5F; },
       "Conv \"/a\": its attribute \"pads\" is of another"},
      {replace(1, {3}), "Conv \"/a\": expected 4 elements of its bias, got 3"},
      {replace(0, {4, 3, 20, 2}), "Conv \"/a\": "},
      {replace(0, {4, 2, 3, 2}), "Conv \"/a\": expected 2 channels"},
      {replace(0, {0, 3, 3, 2}), "Conv \"/a\": "},
      {replace(2, {5, 3}), "Gemm \"/y\": expected rows of 3 for its weight, got 4"},
      {replace(3, {6}), "Gemm \"/y\": "}};
  for (const auto& [change, expected] : cases) {
    OnnxModel model = small_model();
    change(model);
    const std::string problem = problem_of(model);
    EXPECT_THAT(problem, HasSubstr(expected));
    EXPECT_EQ(std::ranges::count(problem, '\n'), 0) << problem;
  }
}

class OnnxImportFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A model file of resnet9.
  void write_original() const {
    ModelCard card{.architecture = "resnet9",
                   .options = {.num_classes = 4},
                   .preprocessing = {.image_size = 32, .crop_pct = 0.75, .mean = {0.5F, 0.25F, 0.125F}},
                   .class_names = {"ant", "bee", "cat", "dog"},
                   .metrics = {},
                   .training = {}};
    const Graph graph = graph_of(card, original_);
    Variables variables;
    variables.add(graph, 1);
    for (const auto& [name, variable] : variables.all()) {
      Floats values = drawn(name, variable.elements());
      for (float& value : values) value = 1 + value / 2;
      if (name.ends_with("running_var")) variables.write(name, values);
    }
    write_model_file(original_, card, graph, "", variables);
    export_onnx(original_, {}, onnx_);
  }
  static Floats logits(const std::filesystem::path& file, const Floats& pixels) {
    Session session(TrainedNetwork(file), {.batch_size = 2, .exact = true});
    return session.run(pixels)[0];
  }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "onnx_import";
  const std::filesystem::path original_ = folder_ / "original.safetensors", onnx_ = folder_ / "net.onnx",
                              imported_ = folder_ / "net.safetensors";
};

TEST_F(OnnxImportFile, WhatConvoyExportedComesBack) {
  write_original();
  ImportReport report;
  import_model(onnx_, {}, imported_, &report);
  EXPECT_TRUE(report.told_class_names && report.told_preprocessing);
  EXPECT_EQ(report.num_classes, 4);
  const SafetensorsReader first(imported_);
  const ModelCard card = read_model_card(first);
  EXPECT_EQ(card.preprocessing, read_model_card(SafetensorsReader(original_)).preprocessing);
  Classifier classifier(imported_);
  EXPECT_EQ(classifier.image_size(), 32);
  EXPECT_THAT(classifier.class_names(), ElementsAre("ant", "bee", "cat", "dog"));
  const Floats pixels = images(3, 32), expected = logits(original_, pixels);
  expect_near(logits(imported_, pixels), {expected.begin(), expected.end()});

  const std::filesystem::path again = folder_ / "again.safetensors", exported = folder_ / "again.onnx";
  export_onnx(imported_, {}, exported);
  import_model(exported, {}, again);
  const SafetensorsReader second(again);
  ASSERT_EQ(second.tensors().size(), first.tensors().size());
  for (const StoredTensor& stored : first.tensors()) {
    EXPECT_EQ(second.tensor(stored.name).shape, stored.shape);
    EXPECT_EQ(second.bytes(stored.name), first.bytes(stored.name)) << stored.name;
  }
}

TEST_F(OnnxImportFile, OptionsOfCheckpointsAreRefused) {
  write_onnx(onnx_, small_model());
  using Change = std::function<void(ImportOptions&)>;
  const std::pair<Change, const char*> cases[] = {
      {[](ImportOptions& o) { o.num_classes = 7; }, "num-classes: "},
      {[](ImportOptions& o) { o.key = std::string("model"); }, "key: "},
      {[](ImportOptions& o) { o.strip = std::string("a."); }, "strip: "},
      {[](ImportOptions& o) {
         o.rename = {{"a", "b"}};
       },
       "rename: "},
      {[](ImportOptions& o) { o.source_layout = SourceLayout{}; }, "source-layout: "},
      {[](ImportOptions& o) { o.by_order = true; }, "by-order: "},
      {[](ImportOptions& o) { o.recipe.img_size = 9; }, "img-size: "},
      {[](ImportOptions& o) {
         o.class_names = {"a", "b"};
       },
       "class-names: expected 5"}};
  for (const auto& [change, expected] : cases) {
    ImportOptions options;
    change(options);
    try {
      import_model(onnx_, options, imported_);
      ADD_FAILURE() << expected;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr(expected));
    }
  }
  EXPECT_FALSE(std::filesystem::exists(imported_));
  OnnxModel broken = small_model();
  broken.nodes[1].op = std::string("Odd");
  write_onnx(onnx_, broken);
  try {
    import_model(onnx_, {}, imported_);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr(fmt::format("{}: operators", onnx_.string())), HasSubstr("Odd (1: \"/b\")")));
  }
}

// The weight of the head lies in a file beside the model; the other half of the graph is written behind the first.
TEST_F(OnnxImportFile, ExternalDataIsRead) {
  OnnxModel model = small_model();
  const Floats weight = drawn("fc.weight", 20);
  std::ofstream(folder_ / "w.bin", std::ios::binary).write(reinterpret_cast<const char*>(weight.data()), 80);
  model.tensors.erase(model.tensors.begin() + 2);
  write_onnx(onnx_, model);
  std::string file, graph, stored, location;
  protozero::pbf_writer file_writer(file), graph_writer(graph), writer(stored), entry(location);
  writer.add_int64(onnx::kTensorShape, 5);
  writer.add_int64(onnx::kTensorShape, 4);
  writer.add_int32(onnx::kTensorType, onnx::type_number(DType::f32));
  writer.add_string(onnx::kTensorName, "fc.weight");
  writer.add_enum(onnx::kTensorLocation, 1);
  entry.add_string(onnx::kEntryKey, "location");
  entry.add_string(onnx::kEntryValue, "w.bin");
  writer.add_message(onnx::kTensorExternal, location);
  graph_writer.add_message(onnx::kGraphTensors, stored);
  file_writer.add_message(onnx::kModelGraph, graph);
  std::ofstream(onnx_, std::ios::binary | std::ios::app) << file;
  import_model(onnx_, {}, imported_);
  EXPECT_EQ(TrainedNetwork(imported_).weight("fc.weight"), weight);
  const Floats expected = logits_of(onnx_network(small_model()), images(2));
  expect_near(logits(imported_, images(2)), {expected.begin(), expected.end()});
}

}  // namespace
}  // namespace convoy
