// The files under tests/checkpoints hold one tiny network in several forms (tools/make_checkpoints.py).
#include "convoy/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "convoy/error.h"
#include "convoy/model.h"
#include "formats/safetensors.h"
#include "inference/model_file.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::filesystem::path kFolder = std::filesystem::path(CONVOY_SOURCE_DIR) / "tests/checkpoints";

Value tiny(Builder b, Value x, const ModelOptions& options) {
  x = conv2d(b / "conv1", x, {.out_channels = 4, .kernel = 3, .padding = 1, .bias = false});
  x = relu(batch_norm(b / "bn1", x));
  x = global_avg_pool(conv2d(b / "conv2", x, {.out_channels = 6}));
  x = relu(linear(b / "fc1", x, {.out_features = 6}));
  return linear(b / "fc2", x, {.out_features = options.num_classes, .head = true});
}

// Two 1x1 and then two 3x3 convolutions of 3 channels.
Value square(Builder b, Value x, const ModelOptions&) {
  for (const int kernel : {1, 1, 3, 3}) {
    const Builder place = b / ("conv" + std::to_string(b.graph().nodes().size()));
    x = conv2d(place, x, {.out_channels = 3, .kernel = kernel, .padding = kernel / 2, .bias = false});
  }
  return global_avg_pool(x);
}

Value pre_norm(Builder b, Value x, const ModelOptions&) {
  x = conv2d(b / "stem", x, {.out_channels = 4});
  for (const char* name : {"first", "second"}) {
    x = conv2d(b / name / "conv", layer_norm(b / name / "norm", x), {.out_channels = 4});
  }
  return global_avg_pool(x);
}

// Files with names that nobody knows.
ImportOptions by_order(std::string_view file) {
  ImportOptions options;
  options.by_order = file == "renamed.pdparams" || file == "moved.pth";
  return options;
}

class Import : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    add_model({.name = "import_tiny", .description = "", .image_size = 8, .num_classes = 5, .build = tiny});
    add_model({.name = "import_pre_norm", .description = "", .image_size = 8, .num_classes = 4, .build = pre_norm});
    add_model({.name = "import_square", .description = "", .image_size = 8, .num_classes = 3, .build = square});
  }
  void SetUp() override { std::filesystem::remove(output_); }
  void TearDown() override { std::filesystem::remove(output_); }

  ImportReport import(const std::filesystem::path& file, ImportOptions options = {}) {
    if (options.recipe.model.empty()) options.recipe.model = "import_tiny";
    ImportReport report;
    problem_.clear();
    try {
      import_model(file, options, output_, &report);
    } catch (const Error& error) {
      problem_ = error.what();
    }
    EXPECT_EQ(std::filesystem::exists(output_), problem_.empty());
    return report;
  }

  // Everything that was imported must be, to the bit, what safetensors wrote.
  void expect_weights(const std::vector<std::string>& but = {}) {
    ASSERT_EQ(problem_, "");
    const SafetensorsReader expected(kFolder / "tiny.safetensors"), got(output_);
    EXPECT_EQ(got.tensors().size(), expected.tensors().size() + 1);
    EXPECT_THAT(got.integers("bn1.num_batches_tracked"), ElementsAre(0));
    for (const StoredTensor& tensor : expected.tensors()) {
      if (std::ranges::find(but, tensor.name) != but.end()) continue;
      EXPECT_EQ(got.tensor(tensor.name).shape, tensor.shape) << tensor.name;
      EXPECT_EQ(got.floats(tensor.name), expected.floats(tensor.name)) << tensor.name;
    }
  }

  std::filesystem::path output_ = testing::TempDir() + "imported.safetensors";
  std::string problem_;
};

TEST_F(Import, EveryFormOfFileGivesTheSameWeights) {
  for (const char* name : {"tiny.safetensors", "tiny.pth", "tiny_legacy.pth", "nested.pth", "ema.pth", "tiny.pdparams",
                           "tiny_protocol2.pdparams", "nested.pdparams", "renamed.pdparams", "moved.pth", "network.pth",
                           "network_legacy.pth", "in_training.pth", "everything.pth", "arrays.pkl", "sharded"}) {
    SCOPED_TRACE(name);
    const ImportReport report = import(kFolder / name, by_order(name));
    EXPECT_EQ(report.imported.size(), 11);
    EXPECT_EQ(report.num_classes, 5);
    EXPECT_THAT(report.new_head, IsEmpty());
    expect_weights();
  }
}

TEST_F(Import, SaysWhereTheWeightsWereAndHowTheyWereMatched) {
  ImportReport report = import(kFolder / "nested.pth");
  EXPECT_EQ(report.format, "PyTorch");
  EXPECT_EQ(report.key, "state_dict");
  EXPECT_EQ(report.prefix, "module.");
  EXPECT_FALSE(report.by_order);
  EXPECT_EQ(import(kFolder / "tiny.pth").integers, 1);

  report = import(kFolder / "renamed.pdparams", {.recipe = {}, .by_order = true});
  EXPECT_EQ(report.format, "Paddle");
  EXPECT_TRUE(report.by_order);
  EXPECT_EQ(report.imported[3].name, "bn1.running_mean");
  EXPECT_EQ(report.imported[3].source, "n._mean");
  EXPECT_EQ(report.imported[9].source, "head.weight");
  EXPECT_TRUE(report.imported[9].transposed);
  EXPECT_FALSE(report.imported[5].transposed);  // a 1x1 convolution

  report = import(kFolder / "moved.pth", {.recipe = {}, .by_order = true});
  EXPECT_TRUE(report.by_order);
  EXPECT_EQ(report.imported[0].source, "stem.weight");
}

TEST_F(Import, NormsMayStandBeforeTheirLayers) {
  ImportOptions options;
  options.recipe.model = "import_pre_norm";
  options.by_order = true;
  const ImportReport report = import(kFolder / "pre_norm.pth", options);
  ASSERT_EQ(problem_, "");
  EXPECT_TRUE(report.by_order);
  const SafetensorsReader file(output_);
  EXPECT_THAT(file.floats("first.norm.weight"), testing::Each(0));
  EXPECT_THAT(file.floats("first.conv.weight"), testing::Each(1));
  EXPECT_THAT(file.floats("second.norm.bias"), testing::Each(2.5F));
  EXPECT_THAT(file.floats("second.conv.weight"), testing::Each(3));
  EXPECT_THAT(file.floats("stem.weight"), testing::Each(4));
}

TEST_F(Import, AnotherNumberOfClassesGetsANewHead) {
  for (const char* name : {"tiny.pth", "renamed.pdparams"}) {
    ImportOptions options = by_order(name);
    options.num_classes = 3;
    const ImportReport report = import(kFolder / name, options);
    EXPECT_EQ(report.num_classes, 3);
    EXPECT_EQ(report.file_classes, 5);
    EXPECT_THAT(report.new_head, ElementsAre("fc2.weight", "fc2.bias"));
    expect_weights({"fc2.weight", "fc2.bias"});
    EXPECT_THAT(SafetensorsReader(output_).tensor("fc2.weight").shape, ElementsAre(3, 6));
    EXPECT_THAT(read_model_card(SafetensorsReader(output_)).class_names, ElementsAre("0", "1", "2"));
  }
}

TEST_F(Import, AModelFileKeepsItsPreparationOfImages) {
  ImportOptions options;
  options.recipe.mean = {0.1, 0.2, 0.3};
  options.recipe.crop_pct = 1;
  options.recipe.resize_mode = Recipe::Resize::squash;
  import(kFolder / "tiny.pth", options);
  ASSERT_EQ(problem_, "");
  const auto first = testing::TempDir() + "first.safetensors";
  std::filesystem::rename(output_, first);
  const Preprocessing before = read_model_card(SafetensorsReader(first)).preprocessing;
  ImportOptions again;
  again.recipe.crop_pct = 0.5;
  import(first, again);
  ASSERT_EQ(problem_, "");
  Preprocessing expected = before;
  expected.crop_pct = 0.5;
  EXPECT_TRUE(read_model_card(SafetensorsReader(output_)).preprocessing == expected);
  EXPECT_EQ(before.mean[0], 0.1F);
}

// moved.pth has the same weights under other names and in another order.
TEST_F(Import, NamesCanBeEdited) {
  ImportOptions options;
  options.rename = {{"stem.", "conv1."}, {"n.", "bn1."}, {"mix.", "conv2."},
                    {"a.", "fc1."},      {"head", "fc"}, {"fc.", "fc2."}};
  EXPECT_FALSE(import(kFolder / "moved.pth", options).by_order);
  expect_weights();
  std::filesystem::remove(output_);
  options.rename.push_back({"tail", "fc"});
  import(kFolder / "moved.pth", options);
  EXPECT_THAT(problem_, HasSubstr("moved.pth has \"tail\" in its name"));
  options.rename = {{"stem.", "mix."}};
  import(kFolder / "moved.pth", options);
  EXPECT_THAT(problem_, HasSubstr("two tensors would be called \"mix.weight\""));
  std::filesystem::remove(output_);
  EXPECT_EQ(import(kFolder / "nested.pth", {.recipe = {}, .strip = "module."}).prefix, "");
  expect_weights();
  std::filesystem::remove(output_);
  import(kFolder / "nested.pth", {.recipe = {}, .strip = "net."});
  EXPECT_THAT(problem_, HasSubstr("a name that begins with \"net.\""));
}

TEST_F(Import, TheLayoutOfMatricesCanBeTold) {
  import(kFolder / "arrays.pkl", {.recipe = {}, .source_layout = SourceLayout::torch});
  expect_weights();
  std::filesystem::remove(output_);
  const ImportReport report = import(kFolder / "arrays.pkl", {.recipe = {}, .source_layout = SourceLayout::paddle});
  // As Paddle's, fc2.weight is of five inputs and six classes.
  EXPECT_THAT(problem_, HasSubstr("2 of the wrong shape"));
  ASSERT_EQ(report.misshapen.size(), 2);
  EXPECT_EQ(report.misshapen[0].name, "fc2.weight");
  EXPECT_EQ(report.misshapen[1].name, "fc2.bias");
}

TEST_F(Import, WeightsThatAreNotFiniteAreRefusedByName) {
  const SafetensorsReader sound(kFolder / "tiny.safetensors");
  const std::filesystem::path path = testing::TempDir() + "not_finite.safetensors";
  std::filesystem::copy_file(sound.path(), path, std::filesystem::copy_options::overwrite_existing);
  const uint64_t place = sound.tensor("fc1.weight").offset + 7 * sizeof(float);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(static_cast<std::streamoff>(place))
      << std::string("\x00\x00\xc0\x7f", 4);
  import(path);
  EXPECT_THAT(problem_, HasSubstr("not_finite.safetensors: tensor \"fc1.weight\" holds nan (its number 8 of 36)"));
  std::filesystem::remove(path);
}

TEST_F(Import, TensorsThatCannotBeReadAreNamed) {
  const ImportReport report = import(kFolder / "quantized.pth", {.recipe = {}, .allow_missing = true});
  EXPECT_THAT(report.unread, ElementsAre(HasSubstr("\"fc1.weight\" is an object of")));
}

TEST_F(Import, AFileThatNamesNoNetworkNeedsOne) {
  EXPECT_THROW(import_model(kFolder / "tiny.pth", {}, output_), UsageError);
}

TEST_F(Import, ClassNamesMustBeAsManyAsClasses) {
  import(kFolder / "tiny.pth", {.recipe = {}, .class_names = { "a", "b", "c", "d", "e" }});
  EXPECT_THAT(read_model_card(SafetensorsReader(output_)).class_names, ElementsAre("a", "b", "c", "d", "e"));
  std::filesystem::remove(output_);
  import(kFolder / "tiny.pth", {.recipe = {}, .class_names = { "a" }});
  EXPECT_THAT(problem_, HasSubstr("expected 5 names, got 1"));
}

TEST_F(Import, ClassNamesOfAModelFileStay) {
  import(kFolder / "tiny.pth", {.recipe = {}, .class_names = { "a", "b", "c", "d", "e" }});
  const std::filesystem::path own = testing::TempDir() + "own.safetensors";
  std::filesystem::rename(output_, own);
  import(own);
  EXPECT_THAT(read_model_card(SafetensorsReader(output_)).class_names, ElementsAre("a", "b", "c", "d", "e"));
  std::filesystem::remove(output_);
  import(own, {.recipe = {}, .num_classes = 3});
  EXPECT_THAT(read_model_card(SafetensorsReader(output_)).class_names, ElementsAre("0", "1", "2"));
}

// A copy of the tiny network's file, changed.
class ChangedFile {
 public:
  ChangedFile() : source_(kFolder / "tiny.safetensors") {
    for (const StoredTensor& tensor : source_.tensors()) add(tensor.name, tensor.shape);
  }
  void add(const std::string& name, const std::vector<int64_t>& shape) {
    int64_t elements = 1;
    for (const int64_t extent : shape) elements *= extent;
    tensors_[name] = {shape, std::vector<float>(static_cast<size_t>(elements), 1)};
  }
  void remove(const std::string& name) { tensors_.erase(name); }

  std::filesystem::path write() const {
    std::vector<TensorToStore> stored;
    for (const auto& [name, tensor] : tensors_) {
      stored.push_back({name, DType::f32, tensor.first, std::as_bytes(std::span(tensor.second))});
    }
    const std::filesystem::path path = testing::TempDir() + "changed.safetensors";
    write_safetensors(path, stored, {});
    return path;
  }

 private:
  SafetensorsReader source_;
  std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> tensors_;
};

TEST_F(Import, WhatDoesNotFitIsListedAndRefused) {
  ChangedFile file;
  file.remove("bn1.bias");
  file.add("extra.weight", {2, 2});
  file.add("conv2.weight", {6, 3, 1, 1});
  ImportReport report = import(file.write());
  EXPECT_THAT(problem_, HasSubstr("1 missing, 1 unexpected, 1 of the wrong shape"));
  EXPECT_THAT(report.missing, ElementsAre("bn1.bias"));
  EXPECT_THAT(report.unexpected, ElementsAre("extra.weight"));
  ASSERT_EQ(report.misshapen.size(), 1);
  EXPECT_EQ(report.misshapen[0].name, "conv2.weight");
  EXPECT_THAT(report.misshapen[0].expected, ElementsAre(6, 4, 1, 1));
  EXPECT_THAT(report.misshapen[0].got, ElementsAre(6, 3, 1, 1));

  file.add("conv2.weight", {6, 4, 1, 1});
  import(file.write(), {.recipe = {}, .allow_missing = true});
  EXPECT_THAT(problem_, HasSubstr(": 1 unexpected"));
  import(file.write(), {.recipe = {}, .allow_unexpected = true});
  EXPECT_THAT(problem_, HasSubstr(": 1 missing"));
  import(file.write(), {.recipe = {}, .allow_missing = true, .allow_unexpected = true});
  EXPECT_EQ(problem_, "");
  EXPECT_THAT(SafetensorsReader(output_).floats("bn1.bias"), ElementsAre(0, 0, 0, 0));
}

TEST_F(Import, DoubtIsRefused) {
  ImportOptions options;
  options.recipe.model = "import_square";
  options.by_order = true;
  ImportReport report = import(kFolder / "interleaved.pth", options);
  EXPECT_THAT(problem_, HasSubstr("come in another order than in the network"));
  EXPECT_THAT(report.imported, IsEmpty());
  import(kFolder / "renamed.pdparams", options);
  EXPECT_THAT(problem_, HasSubstr("the network has"));
  import(kFolder / "tiny.pdopt");
  EXPECT_THAT(problem_, HasSubstr("the state of an optimizer"));
}

}  // namespace
}  // namespace convoy
