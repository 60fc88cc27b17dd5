#include <gtest/gtest.h>

#include <map>

#include "convoy/error.h"
#include "convoy/model.h"
#include "graph/graph.h"

namespace convoy {
namespace {

// Trainable parameters with the default number of classes: torchvision's published counts; conv2former_n as counted by
// Paddle on the tutorial's code.
const std::map<std::string, int64_t> kPublishedParameters{
    {"resnet18", 11'689'512},  {"resnet34", 21'797'672},    {"resnet50", 25'557'032},     {"resnet101", 44'549'160},
    {"resnet152", 60'192'808}, {"vgg11", 132'863'336},      {"vgg13", 133'047'848},       {"vgg16", 138'357'544},
    {"vgg19", 143'667'240},    {"vgg11_bn", 132'868'840},   {"vgg13_bn", 133'053'736},    {"vgg16_bn", 138'365'992},
    {"vgg19_bn", 143'678'248}, {"mobilenet_v2", 3'504'872}, {"conv2former_n", 8'847'498}, {"resnet9", 1'646'122},
};

Graph build(const Model& model, Mode mode, const ModelOptions& options) {
  Graph graph(mode);
  const Value images(&graph, graph.add_input("images", {{2, model.image_size, model.image_size, 3}}));
  const Value logits = model.build(Builder(graph), images, options);
  EXPECT_EQ(logits.shape(), Shape({2, options.num_classes})) << model.name;
  return graph;
}

int64_t parameter_count(const Graph& graph) {
  int64_t count = 0;
  for (const ValueId id : graph.parameters()) count += graph.value(id).type.shape.elements();
  return count;
}

TEST(Models, HaveThePublishedNumberOfParameters) {
  for (const auto& [name, parameters] : kPublishedParameters) {
    const Model& model = find_model(name);
    EXPECT_EQ(parameter_count(build(model, Mode::training, {.num_classes = model.num_classes})), parameters) << name;
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
  EXPECT_THROW(model.build(Builder(graph), images, {}), Error);
}

TEST(Models, AnUnknownNameSuggestsTheNearest) {
  try {
    find_model("resnet5O");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("resnet50"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace convoy
