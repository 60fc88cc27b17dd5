// What the tests of networks as text share.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "convoy/error.h"
#include "convoy/model.h"
#include "convoy/ops.h"
#include "formats/network_json.h"
#include "graph/graph.h"

namespace convoy {

// A network that uses much of the format, on images of 8x8.
inline Value small_network(Builder b, Value x, const ModelOptions& options) {
  x = conv2d(b / "conv", x, {.out_channels = 4, .kernel = 3, .padding = 1, .bias = false});
  x = relu(batch_norm(b / "bn", x));
  x = scale(max_pool(x, {}), 0.5F);
  x = dropout(b / "drop", global_avg_pool(x), 0.25F);
  return linear(b / "fc", x, {.out_features = options.num_classes, .head = true});
}

inline Graph small_graph(Mode mode = Mode::training, const Shape& images = {1, 8, 8, 3}) {
  Graph graph(mode);
  const Value input(&graph, graph.add_input("images", {images}));
  graph.set_output("logits", small_network(Builder(graph), input, {.num_classes = 10}).id());
  return graph;
}

inline nlohmann::json small_json() { return nlohmann::json::parse(network_to_json(small_graph())); }

// The error of `run`, which is one line; "no error" where there is none.
inline std::string message(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "no error";
}

}  // namespace convoy
