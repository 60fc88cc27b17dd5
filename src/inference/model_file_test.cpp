#include "inference/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "formats/encode.h"
#include "inference/quantized_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

std::filesystem::path scratch(const std::string& name) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const auto folder = std::filesystem::path(testing::TempDir()) / "convoy_model_file" / test->name();
  std::filesystem::create_directories(folder);
  return folder / name;
}

// A convolution's and a linear layer's parameters and a running mean, under `prefix`.
Graph make_graph(std::string_view prefix = "", int64_t classes = 2) {
  Graph graph(Mode::inference);
  const Builder b = prefix.empty() ? Builder(graph) : Builder(graph) / prefix;
  (b / "conv").parameter("weight", {2, 3, 4, 5}, Initializer::normal(1), FileLayout::conv);
  (b / "fc").parameter("weight", {1, 1, 5, classes}, Initializer::normal(1), FileLayout::linear);
  (b / "bn").state("running_mean", {5}, Initializer::constant(0.25F));
  return graph;
}

// A network that takes every option of the card.
Value build_carded(Builder b, Value x, const ModelOptions& options) {
  x = conv2d(b / "stem", x, {.out_channels = 4, .kernel = 3, .stride = 2, .padding = 1, .bias = false});
  x = global_avg_pool(relu(batch_norm(b / "norm", x)));
  return linear(b / "head", x, {.out_features = options.num_classes, .head = true});
}

ModelCard make_card() {
  if (!models().contains("carded")) {
    add_model({.name = "carded",
               .description = "a test",
               .image_size = 64,
               .num_classes = 2,
               .takes = {.dropout = true, .drop_path = true, .width = true, .asymmetry_rate = true},
               .activation = Activation::relu,
               .build = build_carded});
  }
  ModelCard card;
  card.architecture = "carded";
  card.options.num_classes = 2;
  card.options.drop_path = 0.125F;
  card.options.width = 0.35;
  card.options.asymmetry_rate = 2;
  card.options.activation = Activation::leaky_relu;
  card.options.acnet = true;
  card.options.bn_eps = 0.001F;
  card.options.same_padding = true;
  card.preprocessing.image_size = 64;
  card.preprocessing.resize_mode = ResizeMode::squash;
  card.preprocessing.interpolation = Interpolation::bicubic;
  card.preprocessing.crop_pct = 0.9;
  card.preprocessing.mean = {0.1F, 0.2F, 0.3F};
  card.class_names = {"cat", "dög"};
  card.metrics = {{"val_top1", 0.8125}, {"epoch", 3}};
  card.training = TrainingRecord{.data = "photös",
                                 .val = "others",
                                 .val_split = 0.1,
                                 .seed = -7,
                                 .images = 70000,
                                 .names = 0xFEDCBA9876543210,
                                 .contents = ContentSet({1, 2, 0x123456789ABC})};
  return card;
}

template <class Call>
std::string complaint(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ModelFile, CardAndWeightsComeBack) {
  const Graph graph = make_graph();
  Variables variables;
  variables.add(graph, 1);
  const auto path = scratch("model.safetensors");
  write_model_file(path, make_card(), graph, "", variables);

  const SafetensorsReader file(path);
  const ModelCard card = read_model_card(file);
  const ModelCard expected = make_card();
  EXPECT_EQ(card.architecture, expected.architecture);
  EXPECT_EQ(card.options.num_classes, 2);
  EXPECT_EQ(card.options.dropout, expected.options.dropout);
  EXPECT_EQ(card.options.drop_path, expected.options.drop_path);
  EXPECT_EQ(card.options.width, expected.options.width);
  EXPECT_EQ(card.options.asymmetry_rate, expected.options.asymmetry_rate);
  EXPECT_EQ(card.options.activation, expected.options.activation);
  EXPECT_EQ(card.options.acnet, expected.options.acnet);
  EXPECT_EQ(card.options.bn_eps, expected.options.bn_eps);
  EXPECT_TRUE(card.options.same_padding);
  EXPECT_TRUE(card.preprocessing == expected.preprocessing);
  EXPECT_EQ(card.class_names, expected.class_names);
  EXPECT_EQ(card.metrics, expected.metrics);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_THAT(file.integers("bn.num_batches_tracked"), testing::ElementsAre(0));
  EXPECT_EQ(card.training, expected.training);
  EXPECT_FALSE(card.training->knows_all());

  Variables again;
  again.add(graph, 2);
  read_weights(file, graph, again);
  for (const auto& [name, variable] : variables.all()) {
    EXPECT_TRUE(std::equal(variable.floats(), variable.floats() + variable.shape.elements(), again.at(name).floats()))
        << name;
  }
}

TEST(ModelFile, VariablesMayBeAnotherBackends) {
  const Graph graph = make_graph();
  Variables variables(reference_backend()), again(reference_backend());
  variables.add(graph, 1);
  const auto path = scratch("model.safetensors");
  write_model_file(path, make_card(), graph, "", variables);
  read_weights(SafetensorsReader(path), graph, again);
  for (const auto& [name, variable] : variables.all()) EXPECT_EQ(again.read(name), variables.read(name)) << name;
  variables.write("fc.weight", std::vector<float>(static_cast<size_t>(variables.at("fc.weight").elements()), NAN));
  EXPECT_EQ(first_not_finite(variables), "fc.weight");
}

TEST(ModelFile, AxesAreInPyTorchsOrder) {
  const Graph graph = make_graph();
  Variables variables;
  variables.add(graph, 1);
  const auto path = scratch("model.safetensors");
  write_model_file(path, make_card(), graph, "", variables);
  const SafetensorsReader file(path);
  EXPECT_THAT(file.tensor("conv.weight").shape, testing::ElementsAre(5, 4, 2, 3));
  EXPECT_THAT(file.tensor("fc.weight").shape, testing::ElementsAre(2, 5));
  const std::vector<float> conv = file.floats("conv.weight");
  const float* inside = variables.at("conv.weight").floats();
  // Output channel 4, input channel 1, row 1, column 2.
  EXPECT_EQ(conv[((4 * 4 + 1) * 2 + 1) * 3 + 2], inside[((1 * 3 + 2) * 4 + 1) * 5 + 4]);
  EXPECT_EQ(file.floats("fc.weight")[1 * 5 + 3], variables.at("fc.weight").floats()[3 * 2 + 1]);
}

TEST(ModelFile, AveragesAreSavedUnderTheWeightsNames) {
  Graph training = make_graph();
  // As a training step keeps them: states without a layout of their own.
  training.add_state("ema.conv.weight", {2, 3, 4, 5}, Initializer::constant(0));
  training.add_state("ema.fc.weight", {1, 1, 5, 2}, Initializer::constant(0));
  training.add_state("ema.bn.running_mean", {5}, Initializer::constant(0));
  Variables variables;
  variables.add(training, 1);
  const Variables::Variable& average = variables.at("ema.conv.weight");
  for (int i = 0; i < 120; ++i) average.floats()[i] = static_cast<float>(i);
  const auto path = scratch("model.safetensors");
  write_model_file(path, make_card(), make_graph("ema"), "ema.", variables);
  Variables again;
  const Graph graph = make_graph();
  again.add(graph, 2);
  read_weights(SafetensorsReader(path), graph, again);
  EXPECT_TRUE(std::equal(average.floats(), average.floats() + 120, again.at("conv.weight").floats()));
}

TEST(ModelFile, OtherTensorsAreListedAndChangeNothing) {
  const Graph graph = make_graph();
  Variables variables;
  variables.add(graph, 1);
  const auto path = scratch("model.safetensors");
  write_model_file(path, make_card(), graph, "", variables);

  Graph other = make_graph("", 7);
  other.add_state("bn.running_var", {5}, Initializer::constant(1));
  Variables untouched;
  untouched.add(other, 2);
  const float before = untouched.at("conv.weight").floats()[0];
  EXPECT_EQ(complaint([&] { read_weights(SafetensorsReader(path), other, untouched); }),
            path.string() +
                ": the tensors are not those of the network; 1 missing: bn.running_var; 1 of another shape: "
                "fc.weight (expected 7x5, got 2x5)");
  EXPECT_EQ(untouched.at("conv.weight").floats()[0], before);

  const Graph smaller(Mode::inference);
  EXPECT_THAT(complaint([&] { read_weights(SafetensorsReader(path), smaller, untouched); }), HasSubstr("3 unexpected"));
}

TEST(ModelFile, QuantisedWeightsComeBackAsTheyAre) {
  const auto path = scratch("model.safetensors");
  const Graph graph = graph_of(quantized_card(3, 6), path);
  Variables variables;
  draw_quantized(graph, variables);
  write_model_file(path, quantized_card(3, 6), graph, "", variables);
  const SafetensorsReader file(path);
  EXPECT_EQ(file.tensor("conv.weight").type, DType::i8);
  EXPECT_THAT(file.tensor("conv.weight").shape, testing::ElementsAre(12, 3, 3, 3));
  const ModelCard card = read_model_card(file);
  const Graph read = graph_of(card, path);
  Variables again;
  read_weights(file, read, again);
  EXPECT_EQ(again.at("conv.weight").view.dtype, DType::i8);
  EXPECT_EQ(read.value(read.named("fc.weight")).role, Role::head_weight);
  for (const auto& [name, variable] : variables.all()) EXPECT_EQ(again.read(name), variables.read(name)) << name;
  // Output channel 4, input channel 1, row 1, column 2.
  EXPECT_EQ(file.integers("conv.weight")[((4 * 3 + 1) * 3 + 1) * 3 + 2],
            variables.read("conv.weight")[((1 * 3 + 2) * 3 + 1) * 12 + 4]);
}

TEST(ModelFile, DamagedQuantisedWeightsAreRefused) {
  const auto path = scratch("model.safetensors");
  const Graph graph = graph_of(quantized_card(3, 6), path);
  Variables variables;
  draw_quantized(graph, variables);
  write_model_file(path, quantized_card(3, 6), graph, "", variables);
  // With other values of a tensor, as that type.
  const auto complaint_of = [&](const std::string& name, DType type, const std::vector<int64_t>& shape,
                                const std::vector<float>& values) {
    const SafetensorsReader file(path);
    std::vector<std::vector<std::byte>> data;
    std::vector<TensorToStore> tensors;
    data.reserve(file.tensors().size());
    for (const StoredTensor& stored : file.tensors()) {
      const bool replaced = stored.name == name;
      data.push_back(replaced ? encode_floats(values, type) : file.bytes(stored.name));
      tensors.push_back({stored.name, replaced ? type : stored.type, replaced ? shape : stored.shape, data.back()});
    }
    const auto damaged = scratch("damaged.safetensors");
    write_safetensors(damaged, std::move(tensors), file.metadata());
    return complaint([&] {
      const SafetensorsReader reader(damaged);
      Variables read;
      read_weights(reader, graph_of(read_model_card(reader), damaged), read);
    });
  };
  std::vector<float> weight = variables.read("mix.weight");
  ASSERT_EQ(complaint_of("mix.weight", DType::i8, {12, 1, 3, 3}, weight), "");
  EXPECT_THAT(complaint_of("mix.weight", DType::f32, {12, 1, 3, 3}, weight),
              HasSubstr("1 of another type: mix.weight (expected I8, got F32)"));
  weight[17] = -128;
  EXPECT_THAT(complaint_of("mix.weight", DType::i8, {12, 1, 3, 3}, weight),
              HasSubstr("tensor \"mix.weight\" holds -128, expected the weights, from -127 to 127,"));
  std::vector<float> scale = variables.read("mix.weight_scale");
  EXPECT_THAT(complaint_of("mix.weight_scale", DType::f32, {11}, std::vector<float>(11, 1)),
              HasSubstr("1 of another shape: mix.weight_scale (expected 12, got 11)"));
  for (const float wrong : {0.0F, -0.5F}) {
    scale[3] = wrong;
    EXPECT_THAT(complaint_of("mix.weight_scale", DType::f32, {12}, scale),
                HasSubstr("expected the scales, above 0, of a quantised layer"));
  }
  scale[3] = NAN;
  EXPECT_THAT(complaint_of("mix.weight_scale", DType::f32, {12}, scale),
              HasSubstr("tensor \"mix.weight_scale\" holds nan"));
}

// Writes a file whose card is `text` and returns what reading it complains of.
std::string complaint_of_card(const std::string& text) {
  const auto path = scratch("foreign.safetensors");
  write_safetensors(path, {}, {{"convoy", text}});
  return complaint([&] { read_model_card(SafetensorsReader(path)); });
}

TEST(ModelFile, DamagedCardsAreRefused) {
  const auto path = scratch("foreign.safetensors");
  write_safetensors(path, {}, {{"format", "pt"}});
  EXPECT_THAT(complaint([&] { read_model_card(SafetensorsReader(path)); }),
              HasSubstr("expected a model file of Convoy"));

  const Graph graph = make_graph();
  Variables variables;
  variables.add(graph, 1);
  const auto good_path = scratch("good.safetensors");
  write_model_file(good_path, make_card(), graph, "", variables);
  const std::string good = SafetensorsReader(good_path).metadata().at("convoy");
  ASSERT_EQ(complaint_of_card(good), "");

  for (const std::string& text : {std::string(), std::string("[]"), std::string("{"), std::string(100000, '[')}) {
    EXPECT_THAT(complaint_of_card(text), HasSubstr("damaged"));
  }
  const nlohmann::json root = nlohmann::json::parse(good);
  // Every leaf of the card replaced by what does not belong there.
  const nlohmann::json leaves = root.flatten();
  for (const auto& [pointer, leaf] : leaves.items()) {
    const bool any_text = pointer == "/architecture" || pointer == "/version" || pointer.starts_with("/class_names");
    if (any_text || pointer == "/training/data" || pointer == "/training/val" || pointer.starts_with("/metrics"))
      continue;
    for (const nlohmann::json& wrong :
         {nlohmann::json(nullptr), nlohmann::json("x"), nlohmann::json(-1e30), nlohmann::json(1e30)}) {
      nlohmann::json changed = root;
      changed[nlohmann::json::json_pointer(pointer)] = wrong;
      EXPECT_THAT(complaint_of_card(changed.dump()), HasSubstr("damaged")) << changed.dump();
    }
  }
  for (const auto& [key, value] : root.items()) {
    if (key == "version" || key == "training") continue;
    nlohmann::json changed = root;
    changed.erase(key);
    EXPECT_THAT(complaint_of_card(changed.dump()), HasSubstr("damaged")) << key;
  }
  nlohmann::json newer = root;
  newer["format"] = 3;
  EXPECT_THAT(complaint_of_card(newer.dump()), HasSubstr("use a newer version"));
  nlohmann::json fewer = root;
  fewer["class_names"].erase(0);
  EXPECT_THAT(complaint_of_card(fewer.dump()), HasSubstr("expected 2 class names, got 1"));
}

}  // namespace
}  // namespace convoy
