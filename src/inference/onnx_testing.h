// Small ONNX models, and the logits of the networks that they become.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/random.h"
#include "formats/network_json.h"
#include "inference/inference_step.h"
#include "inference/onnx_import.h"

namespace convoy::onnx_testing {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Extents = std::vector<int64_t>;

inline constexpr int64_t kSide = 8;

inline Floats drawn(const std::string& name, int64_t count) {
  RandomStream random(1, name);
  Floats values(static_cast<size_t>(count));
  for (float& value : values) value = random.uniform(-1, 1);
  return values;
}

template <class T>
inline OnnxTensor tensor(const std::string& name, DType type, const Extents& shape, std::vector<T> values) {
  const auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  return {name, type, shape, std::as_bytes(std::span(*owner)), owner};
}
inline OnnxTensor integers(const std::string& name, const Extents& values) {
  return tensor<int64_t>(name, DType::i64, {std::ssize(values)}, values);
}
inline OnnxTensor floats(const std::string& name, const Extents& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return tensor<float>(name, DType::f32, shape, drawn(name, count));
}
inline OnnxTensor number(const std::string& name, float value) { return tensor<float>(name, DType::f32, {}, {value}); }

inline OnnxNode node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output,
                     const std::vector<OnnxAttribute>& attributes = {}) {
  return {op, fmt::format("/{}", output), inputs, {output}, attributes};
}
inline OnnxAttribute perm(const Extents& axes) { return {"perm", axes}; }

using Extent = std::variant<int64_t, std::string>;
inline const Extent kAny = std::string("batch");

inline OnnxModel model_of(const Extent& batch, std::vector<OnnxNode> nodes, std::vector<OnnxTensor> tensors) {
  OnnxModel model;
  model.nodes = std::move(nodes);
  model.tensors = std::move(tensors);
  model.inputs = {{"x", DType::f32, {batch, int64_t{3}, kSide, kSide}}};
  model.outputs = {{"y", DType::f32, {}}};
  return model;
}

// {N, S, S, 3}, as graphs take them.
inline Floats images(int64_t count, int64_t side = kSide) { return drawn("images", count * side * side * 3); }

inline Floats logits_of(const OnnxNetwork& network, const Floats& pixels) {
  const Model model = network_from_json(network_to_json(network.graph), "x");
  ModelOptions options;
  options.num_classes = model.num_classes;
  const int64_t count = std::ssize(pixels) / (model.image_size * model.image_size * 3);
  Variables variables;
  InferenceStep step(model, options, count, model.image_size, variables, 0, {.exact = true});
  for (const auto& entry : variables.all()) variables.write(entry.first, network.weights.at(entry.first));
  Buffer arena(step.arena_bytes());
  step.bind(variables, arena);
  std::ranges::copy(pixels, step.images());
  step.run();
  return {step.logits(), step.logits() + count * model.num_classes};
}

inline void expect_near(const Floats& got, const Doubles& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << i;
}

// A convolution, a pooling and a layer: images {N, 3, 8, 8} of any number to five logits.
inline OnnxModel small_model() {
  return model_of(kAny,
                  {node("Conv", {"x", "conv.weight", "conv.bias"}, "a",
                        {{"pads", Extents{1, 0, 2, 1}}, {"strides", Extents{2, 1}}}),
                   node("Relu", {"a"}, "b"), node("GlobalAveragePool", {"b"}, "c"), node("Flatten", {"c"}, "d"),
                   node("Gemm", {"d", "fc.weight", "fc.bias"}, "y", {{"transB", int64_t{1}}})},
                  {floats("conv.weight", {4, 3, 3, 2}), floats("conv.bias", {4}), floats("fc.weight", {5, 4}),
                   floats("fc.bias", {5})});
}

}  // namespace convoy::onnx_testing
