#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "convoy/error.h"
#include "convoy/model.h"
#include "core/random.h"
#include "graph/graph.h"
#include "graph/work.h"

namespace convoy {
namespace {

// With the default number of classes and image size.
struct Published {
  int64_t parameters = 0;  // trainable
  double giga_macs = 0;    // of one image, in convolutions and linear layers; 0: not checked
  int64_t with_norms = 0;  // parameters and running statistics, as Paddle counts; 0: not checked
};

// Torchvision's published counts. The others as counted in PyTorch on the networks of the papers and tutorials:
// conv2former_n and darknet53 have Paddle's counts of the tutorials' code, efficientnetv2_s has the printed ones.
const std::map<std::string, Published> kPublished{
    {"resnet18", {11'689'512}},
    {"resnet34", {21'797'672}},
    {"resnet50", {25'557'032, 4.089, 25'610'152}},
    {"resnet101", {44'549'160}},
    {"resnet152", {60'192'808}},
    {"vgg11", {132'863'336}},
    {"vgg13", {133'047'848}},
    {"vgg16", {138'357'544}},
    {"vgg19", {143'667'240, 19.632}},
    {"vgg11_bn", {132'868'840}},
    {"vgg13_bn", {133'053'736}},
    {"vgg16_bn", {138'365'992}},
    {"vgg19_bn", {143'678'248}},
    {"mobilenet_v2", {3'504'872, 0.301, 3'538'984}},
    {"mobilenet_v3_large", {5'483'032}},
    {"mobilenet_v3_small", {2'542'856}},
    {"conv2former_n", {8'847'498, 0.484, 8'847'498}},
    {"conv2former_t", {26'697'204, 4.361}},
    {"conv2former_s", {50'032'692, 8.708}},
    {"conv2former_b", {90'029'112, 15.890}},
    {"conv2former_l", {198'893'736, 36.037}},
    {"swin_t", {28'288'354}},
    {"resnet9", {1'646'122}},
    {"asymmnet_large", {4'816'104, 0.281, 4'840'504}},
    {"asymmnet_small", {1'871'392, 0.073, 1'883'504}},
    {"efficientnetv2_s", {21'458'488, 2.850, 21'612'360}},
    {"efficientnetv2_m", {54'139'356}},
    {"efficientnetv2_l", {118'515'272}},
    {"acnet_resnet18", {19'031'464}},
    {"acnet_resnet18_deploy", {11'685'608}},
    {"acnet_resnet50", {33'119'912, 5.356, 33'188'392}},
    {"acnet_resnet50_deploy", {25'553'192, 4.089, 25'598'632}},
    {"acnet_vgg16_bn", {148'185'640}},
    {"acnet_vgg16_bn_deploy", {138'357'544}},
    {"darknet53", {41'609'928, 7.109, 41'645'640}},
    {"cspdarknet53", {19'076'296, 3.590, 19'106'376}},
    {"cspdarknet53_padded", {19'076'296, 6.114, 19'106'376}},
    {"airbench94", {1'971'352}},
};

constexpr int64_t kBatch = 2;

Graph build(const Model& model, Mode mode, const ModelOptions& options) {
  Graph graph(mode);
  const Value images(&graph, graph.add_input("images", {{kBatch, model.image_size, model.image_size, 3}}));
  const Value logits = build_network(model, Builder(graph), images, options);
  EXPECT_EQ(logits.shape(), Shape({kBatch, options.num_classes})) << model.name;
  return graph;
}

int64_t parameter_count(const Graph& graph) {
  int64_t count = 0;
  for (const ValueId id : graph.parameters()) count += graph.value(id).type.shape.elements();
  return count;
}

int64_t variable_count(const Graph& graph) {
  int64_t count = parameter_count(graph);
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).kind == ValueKind::state) count += graph.value(id).type.shape.elements();
  }
  return count;
}

double giga_macs(const Graph& graph) { return static_cast<double>(multiply_adds(graph)) * 1e-9; }

TEST(Models, HaveThePublishedSizeAndCost) {
  for (const auto& [name, published] : kPublished) {
    const Model& model = find_model(name);
    const Graph graph = build(model, Mode::inference, {.num_classes = model.num_classes});
    EXPECT_EQ(parameter_count(graph), published.parameters) << name;
    if (published.giga_macs > 0) {
      EXPECT_NEAR(giga_macs(graph) / kBatch, published.giga_macs, 0.0005) << name;
    }
    if (published.with_norms > 0) {
      EXPECT_EQ(variable_count(graph), published.with_norms) << name;
    }
  }
}

TEST(Models, SwinHasThePrintedSizeForTenClasses) {
  EXPECT_EQ(parameter_count(build(find_model("swin_t"), Mode::inference, {.num_classes = 10})), 27'527'044);
}

TEST(Models, OptionsChangeTheNetworkThatTakesThem) {
  const Model& asymmnet = find_model("asymmnet_large");
  const auto parameters = [&](double width, int64_t rate) {
    return parameter_count(
        build(asymmnet, Mode::inference, {.num_classes = 16, .width = width, .asymmetry_rate = rate}));
  };
  EXPECT_EQ(parameters(0.35, 1), 946'872);
  EXPECT_EQ(parameters(0.5, 1), 1'584'472);
  EXPECT_EQ(parameters(1, 0), 4'221'248);
  EXPECT_EQ(parameters(1, 2), 5'470'480);
  EXPECT_THROW(parameters(1, 3), UsageError);     // 72 channels have no room for 3 x 24
  EXPECT_THROW(parameters(0.35, 2), UsageError);  // nor 32 for 2 x 16
  EXPECT_THROW(parameters(0, 1), UsageError);

  const std::string usual = build(find_model("darknet53"), Mode::inference, {}).to_string();
  const std::string leaky =
      build(find_model("darknet53"), Mode::inference, {.activation = Activation::leaky_relu}).to_string();
  EXPECT_NE(usual.find("function=relu"), std::string::npos);
  EXPECT_EQ(leaky.find("function=relu"), std::string::npos);
  EXPECT_NE(leaky.find("function=leaky_relu"), std::string::npos);
}

// Zeros as TensorFlow documents them: an even map lacks one row for a 3x3 convolution with stride 2, below; an odd one
// has one on either side. A 5x5 one lacks three, a 7x7 one five.
TEST(Models, SamePaddingIsTensorFlows) {
  const auto text = [](const char* name, int64_t side) {
    Graph graph(Mode::inference);
    const Value images(&graph, graph.add_input("images", {{1, side, side, 3}}));
    build_network(find_model(name), Builder(graph), images, {.same_padding = true});
    return graph.to_string();
  };
  const std::string even = text("mobilenet_v3_large", 224), odd = text("mobilenet_v3_large", 225);
  const std::string first = "kernel=3x3 stride=2x2 ";
  EXPECT_NE(even.find(first + "extra_padding=1x1"), std::string::npos);
  EXPECT_EQ(even.find(first + "padding"), std::string::npos);
  EXPECT_NE(odd.find(first + "padding=1x1"), std::string::npos);
  EXPECT_NE(even.find("kernel=5x5 stride=2x2 padding=1x1 extra_padding=1x1"), std::string::npos);
  EXPECT_NE(text("resnet18", 224).find("kernel=7x7 stride=2x2 padding=2x2 extra_padding=1x1"), std::string::npos);
}

TEST(Models, EpsilonIsThatOfEveryBatchNorm) {
  const std::string text = build(find_model("mobilenet_v3_large"), Mode::training, {.bn_eps = 0.25F}).to_string();
  size_t norms = 0;
  for (size_t at = text.find("batch_norm("); at != std::string::npos; at = text.find("batch_norm(", at + 1)) ++norms;
  size_t with_it = 0;
  for (size_t at = text.find("eps=0.25"); at != std::string::npos; at = text.find("eps=0.25", at + 1)) ++with_it;
  EXPECT_EQ(norms, 46U);
  EXPECT_EQ(with_it, norms);
}

std::multiset<std::string> ops_of(const Graph& graph) {
  std::multiset<std::string> ops;
  for (const Node& node : graph.nodes()) {
    ops.insert(std::string(node.op->name()) + " " + to_string(node.op->attributes()) + " " +
               graph.value(node.outputs[0]).type.shape.to_string());
  }
  return ops;
}

// ResNets with the option are the ACNet-ResNets, but for the names.
TEST(Models, AcnetTurnsResNetsIntoAcnets) {
  for (const char* name : {"resnet18", "resnet50"}) {
    for (const Mode mode : {Mode::training, Mode::inference}) {
      const Graph widened = build(find_model(name), mode, {.acnet = true});
      const Graph acnet = build(find_model(std::string("acnet_") + name), mode, {});
      EXPECT_EQ(parameter_count(widened), parameter_count(acnet)) << name;
      EXPECT_EQ(ops_of(widened), ops_of(acnet)) << name;
    }
  }
  const Graph plain = build(find_model("resnet18"), Mode::inference, {});
  const Graph widened = build(find_model("resnet18"), Mode::inference, {.acnet = true});
  for (const ValueId id : plain.parameters()) EXPECT_NO_THROW(widened.named(plain.value(id).name));
  EXPECT_NO_THROW(widened.named("layer1.0.conv2.hor.bn.weight"));
  EXPECT_THROW(build(find_model("acnet_resnet18"), Mode::inference, {.acnet = true}), UsageError);
}

// Without norms the branches start at zero and end in the same place: behind the convolution.
TEST(Models, AcnetWidensConvolutionsWithoutNorms) {
  const Graph plain = build(find_model("vgg11"), Mode::inference, {});
  const Graph widened = build(find_model("vgg11"), Mode::inference, {.acnet = true});
  EXPECT_EQ(widened.nodes().size(), plain.nodes().size() + 8 * 4);
  const ValueInfo& branch = widened.value(widened.named("features.0.ver.conv.weight"));
  EXPECT_EQ(branch.type.shape, Shape({3, 1, 3, 64}));
  EXPECT_EQ(branch.start.kind, Initializer::Kind::constant);
  EXPECT_EQ(branch.start.value, 0);
}

TEST(Models, AnOptionThatANetworkDoesNotTakeIsAnErrorThatNamesThoseThatDo) {
  try {
    build(find_model("resnet18"), Mode::inference, {.width = 0.5});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("asymmnet_small"), std::string::npos) << error.what();
  }
  EXPECT_THROW(build(find_model("vgg11"), Mode::inference, {.asymmetry_rate = 1}), UsageError);
  EXPECT_THROW(build(find_model("mobilenet_v3_small"), Mode::inference, {.activation = Activation::relu}), UsageError);
  EXPECT_THROW(build(find_model("vgg11"), Mode::inference, {.bn_eps = 1e-3F}), UsageError);
  EXPECT_THROW(build(find_model("vgg11"), Mode::inference, {.same_padding = true}), UsageError);
}

TEST(Models, OnlyThoseThatDropTakeARate) {
  for (const Model& model : models()) {
    const std::string text = build(model, Mode::training, {}).to_string();
    EXPECT_EQ(text.find("= dropout(") != std::string::npos, model.takes.dropout) << model.name;
    EXPECT_EQ(text.find("= drop_path(") != std::string::npos, model.takes.drop_path) << model.name;
  }
  const Model &resnet = find_model("resnet18"), &vgg = find_model("vgg11"), &swin = find_model("swin_t");
  EXPECT_THROW(build(resnet, Mode::training, {.dropout = 0.2F}), UsageError);
  EXPECT_THROW(build(swin, Mode::training, {.dropout = 0.2F}), UsageError);
  EXPECT_THROW(build(vgg, Mode::training, {.drop_path = 0.2F}), UsageError);
  EXPECT_NO_THROW(build(vgg, Mode::training, {.dropout = 0.2F, .drop_path = 0}));
  EXPECT_NO_THROW(build(swin, Mode::training, {.dropout = 0, .drop_path = 0.2F}));
  EXPECT_NO_THROW(build(resnet, Mode::inference, {.dropout = 0.2F, .drop_path = 0.2F}));  // as in a model file
}

// The first convolution of airbench94 whitens: over the images' 2x2 patches its 12 filters have uncorrelated outputs of
// unit second moment, but for the regularisation.
TEST(Models, Airbench94WhitensPatches) {
  constexpr int64_t kImages = 8, kSide = 16;
  constexpr size_t kFilters = 12;
  std::vector<float> pixels(kImages * kSide * kSide * 3);
  RandomStream random(1, "images");
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = random.normal() + (i >= 3 ? 0.7F * pixels[i - 3] : 0.0F);
  std::vector<float> weight(12 * 2 * kFilters);
  find_model("airbench94")
      .start_from_images({.pixels = pixels, .shape = {kImages, kSide, kSide, 3}, .weight = [&](std::string_view) {
                            return std::span<float>(weight);
                          }});
  std::vector<double> moments(kFilters * kFilters);
  double patches = 0;
  for (int64_t n = 0; n < kImages; ++n) {
    for (int64_t y = 0; y + 1 < kSide; ++y) {
      for (int64_t x = 0; x + 1 < kSide; ++x, ++patches) {
        std::array<double, kFilters> outputs{};
        for (int64_t i = 0; i < 12; ++i) {
          const double pixel = pixels[static_cast<size_t>(((n * kSide + y + i / 6) * kSide + x) * 3 + i % 6)];
          for (size_t f = 0; f < kFilters; ++f) {
            outputs[f] += pixel * static_cast<double>(weight[static_cast<size_t>(i) * 2 * kFilters + f]);
          }
        }
        for (size_t k = 0; k < moments.size(); ++k) moments[k] += outputs[k / kFilters] * outputs[k % kFilters];
      }
    }
  }
  for (size_t k = 0; k < moments.size(); ++k) {
    EXPECT_NEAR(moments[k] / patches, k / kFilters == k % kFilters ? 1.0 : 0.0, 0.01) << k;
  }
  for (size_t i = 0; i < 12; ++i) {
    for (size_t f = 0; f < kFilters; ++f) EXPECT_EQ(weight[i * 24 + f], -weight[i * 24 + kFilters + f]);
  }
}

TEST(Models, BuildForTrainingAndInferenceWithAnyNumberOfClasses) {
  for (const Model& model : models()) {
    const Graph training = build(model, Mode::training, {.num_classes = 7});
    const Graph inference = build(model, Mode::inference, {.num_classes = 7});
    EXPECT_EQ(parameter_count(training), parameter_count(inference)) << model.name;
    EXPECT_FALSE(model.description.empty()) << model.name;
    EXPECT_EQ(&find_model(model.name), &model);
  }
}

TEST(Models, ImagesThatAreTooSmallAreAnError) {
  const Model& model = find_model("vgg11");
  Graph graph(Mode::inference);
  const Value images(&graph, graph.add_input("images", {{1, 16, 16, 3}}));
  try {
    build_network(model, Builder(graph), images, {});
    FAIL();
  } catch (const UsageError& error) {
    const std::string start = "img-size: expected at least 32 for vgg11, got 16: pooling: a 1x1 map does not fit ";
    EXPECT_EQ(std::string(error.what()).substr(0, start.size()), start);
  }
}

TEST(Models, AnUnknownNameSuggestsTheNearest) {
  try {
    find_model("resnet5O");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("resnet50"), std::string::npos) << error.what();
  }
}

TEST(Models, StayWhereTheyAre) {
  const Model& first = find_model("resnet9");
  for (int i = 0; i < 100; ++i)
    add_model({.name = "added" + std::to_string(i), .description = "resnet9", .build = first.build});
  EXPECT_EQ(&find_model("resnet9"), &first);
  EXPECT_EQ(find_model("added57").name, "added57");
  EXPECT_THROW(add_model({.name = "added57", .description = "resnet9", .build = first.build}), Error);
}

}  // namespace
}  // namespace convoy
