// Names, shapes and answers of other libraries' networks, as tools/make_name_goldens.py has them from these libraries.
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <fstream>
#include <set>

#include "convoy/error.h"
#include "convoy/import.h"
#include "formats/formula.h"
#include "formats/layout.h"
#include "formats/safetensors.h"
#include "formats/strict_json.h"
#include "inference/arena.h"
#include "inference/export_tensors.h"
#include "inference/inference_step.h"
#include "inference/model_file.h"
#include "models/names/naming.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr int64_t kClasses = 10;

std::vector<json> golden_lines() {
  std::ifstream file(std::filesystem::path(CONVOY_SOURCE_DIR) / "tests" / "names.jsonl");
  std::vector<json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
  return lines;
}

const Naming* naming_of(const std::string& library, const std::string& model) {
  for (const Source source : {Source::torchvision, Source::timm, Source::hf, Source::paddle}) {
    if (to_string(source) == library) return find_naming(source, model);
  }
  return nullptr;
}

Graph graph_of(const std::string& model) {
  const Model& found = find_model(model);
  return inference_graph(found, {.num_classes = kClasses}, {1, found.image_size, found.image_size, 3});
}

// Calls visit(name, layout, shape in torch's files) with every parameter and state.
template <class Visit>
void for_each_tensor(const Graph& graph, const Visit& visit) {
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (!info.is_variable()) continue;
    const Shape shape = file_shape(info.type.shape, info.layout);
    visit(info.name, info.layout, std::vector<int64_t>(shape.extents().begin(), shape.extents().end()));
  }
}

std::string line_of(const std::string& name, const std::vector<int64_t>& shape, char type) {
  return fmt::format("{} {} {}\n", name, fmt::join(shape, "x"), type);
}

// The lines of all tensors of a library's network, by the tables.
std::set<std::string> lines_of(const Naming* naming, const std::string& model) {
  std::set<std::string> lines;
  for_each_tensor(graph_of(model), [&](const std::string& name, FileLayout layout, const std::vector<int64_t>& shape) {
    for (const ExportedTensor& tensor : exported_tensors(naming, model, name, layout, shape)) {
      EXPECT_TRUE(lines.insert(line_of(tensor.name, tensor.shape, 'f')).second) << tensor.name;
    }
    const IntegerBuffer buffer = exported_buffer(naming, model, name, shape);
    if (!buffer.values.empty()) lines.insert(line_of(buffer.name, buffer.shape, 'i'));
  });
  return lines;
}

std::string digest_of(const std::set<std::string>& lines) {
  uint64_t key = 0xCBF29CE484222325U;
  for (const std::string& line : lines) {
    for (const char c : line) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  }
  return fmt::format("{:016x}", key);
}

TEST(Names, AreThoseOfTheLibraries) {
  const std::vector<json> lines = golden_lines();
  EXPECT_GE(lines.size(), 45U);
  for (const json& golden : lines) {
    const std::string library = golden["library"], network = golden["network"], model = golden["model"];
    const Naming* naming = naming_of(library, model);
    ASSERT_NE(naming, nullptr) << library << " " << model;
    EXPECT_EQ(digest_of(lines_of(naming, model)), golden["digest"]) << library << " " << network;
    const std::vector<SourceNetwork> networks = networks_of(*naming, model);
    EXPECT_NE(std::ranges::find(networks, network, &SourceNetwork::name), networks.end()) << library << " " << network;
  }
}

// Also of those for which there is no golden line.
TEST(Names, AreOneForEveryTensor) {
  for (const Naming& naming : namings()) {
    for (const SourceNetwork& network : naming.networks) {
      EXPECT_FALSE(lines_of(&naming, std::string(network.model)).empty()) << network.name;
      EXPECT_NE(find_source_network(network.name), nullptr);
    }
  }
}

// A few of those of PaddleClas, from its source: the stem, a block's shortcut, statistics, the head.
TEST(Names, ArePaddleClass) {
  const auto has = [](const std::string& model, const std::vector<std::string>& wanted) {
    const std::set<std::string> lines = lines_of(naming_of("paddle", model), model);
    for (const std::string& line : wanted) EXPECT_TRUE(lines.contains(line + " f\n")) << model << ": " << line;
  };
  has("resnet50", {"stem.0.conv.weight 64x3x7x7", "blocks.3.short.bn._mean 512",
                   "blocks.15.conv2.conv.weight 2048x512x1x1", "fc.weight 2048x10"});
  has("vgg16", {"conv_block_1.conv1.weight 64x3x3x3", "conv_block_5.conv3.bias 512", "fc1.weight 25088x4096"});
  has("darknet53",
      {"_conv1._conv.weight 32x3x3x3", "_conv2._bn._variance 64", "_downsample_3._conv.weight 1024x512x3x3",
       "_basic_block_01._conv1._conv.weight 32x64x1x1", "_basic_block_28._conv2._bn._mean 256",
       "_basic_block_44._conv2._conv.weight 1024x512x3x3", "_out.weight 1024x10"});
  has("efficientnetv2_s", {"_stem._conv_stem._conv.weight 24x3x3x3", "_blocks.0._project_conv._conv.weight 24x24x3x3",
                           "_blocks.2._expand_conv._conv.weight 96x24x3x3", "_blocks.10._se._se_reduce._conv.bias 16",
                           "_blocks.39._norm2._variance 256", "_head._norm.bias 1280", "_fc.bias 10"});
  has("swin_t", {"layers.0.downsample.reduction.weight 384x192", "layers.2.blocks.5.attn.qkv.weight 384x1152"});
}

class LibraryLogits : public testing::Test {
 protected:
  // The network of a golden line with the formula's weights, under the library's names.
  static void write(const json& golden, const std::filesystem::path& path) {
    const std::string model = golden["model"];
    const Naming* naming = naming_of(golden["library"], model);
    std::deque<std::vector<float>> values;
    std::vector<TensorToStore> tensors;
    for_each_tensor(
        graph_of(model), [&](const std::string& name, FileLayout layout, const std::vector<int64_t>& shape) {
          for (const ExportedTensor& tensor : exported_tensors(naming, model, name, layout, shape)) {
            const std::vector<float>& numbers = values.emplace_back(formula_value(tensor.name, 0, tensor.shape));
            tensors.push_back({tensor.name, DType::f32, tensor.shape, std::as_bytes(std::span(numbers))});
          }
        });
    write_safetensors(path, tensors, {});
  }

  std::vector<float> logits_of(const std::filesystem::path& model_file, int64_t side) {
    const SafetensorsReader file(model_file);
    ModelCard card = read_model_card(file);
    card.preprocessing.image_size = static_cast<int>(side);
    Variables variables;
    read_weights(file, convoy::graph_of(card, model_file), variables);
    InferenceStep step(find_model(card.architecture), card.options, 2, side, variables, 0);
    Buffer arena = make_arena(step.arena_bytes(), "test");
    step.bind(variables, arena);
    const std::vector<float> images = formula_images(0, 2, side);
    nchw_to_nhwc({2, side, side, 3}, images, {step.images(), images.size()});
    step.run();
    return {step.logits(), step.logits() + 2 * kClasses};
  }

  const std::filesystem::path source_ = testing::TempDir() + "library.safetensors";
  const std::filesystem::path output_ = testing::TempDir() + "library_imported.safetensors";
};

TEST_F(LibraryLogits, AreOursAfterAnImport) {
  for (const json& golden : golden_lines()) {
    if (!golden.contains("logits")) continue;
    const std::string network = golden["network"], model = golden["model"];
    write(golden, source_);
    ImportOptions options;
    options.recipe.model = model;
    const std::vector<SourceNetwork> networks = networks_of(*naming_of(golden["library"], model), model);
    const SourceNetwork& wanted = *std::ranges::find(networks, network, &SourceNetwork::name);
    if (networks.size() > 1) options.recipe.bn_eps = wanted.bn_eps;
    import_model(source_, options, output_);
    const std::vector<float> logits = logits_of(output_, golden["side"]);
    double largest = 0, difference = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      const double expected = golden["logits"][i];
      largest = std::max(largest, std::abs(expected));
      difference = std::max(difference, std::abs(expected - static_cast<double>(logits[i])));
    }
    EXPECT_LT(difference, 1e-4 * largest) << golden["library"] << " " << network;
  }
}

TEST_F(LibraryLogits, NamesThatTwoNetworksShareAskWhich) {
  for (const json& golden : golden_lines()) {
    if (golden["network"] != "tf_mobilenetv3_small_100") continue;
    write(golden, source_);
    ImportOptions options;
    options.recipe.model = "mobilenet_v3_small";
    try {
      import_model(source_, options, output_);
      FAIL();
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("mobilenetv3_small_100 (--bn-eps 1e-05 --padding symmetric)"));
      EXPECT_THAT(error.what(), HasSubstr("tf_mobilenetv3_small_100 (--bn-eps 0.001 --padding same)"));
    }
    ImportReport report;
    options.recipe.model = "tf_mobilenetv3_small_100.in1k";
    import_model(source_, options, output_, &report);
    EXPECT_EQ(report.names, "timm");
    const ModelCard card = read_model_card(SafetensorsReader(output_));
    EXPECT_EQ(card.architecture, "mobilenet_v3_small");
    EXPECT_EQ(card.options.bn_eps, 1e-3F);
    EXPECT_TRUE(card.options.same_padding);
  }
}

}  // namespace
}  // namespace convoy
