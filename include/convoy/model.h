// The networks that Convoy knows, and how a program adds its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/builder.h"
#include "convoy/ops.h"

namespace convoy {

// What a caller may ask of any network; a network takes what applies to it.
struct ModelOptions {
  int64_t num_classes = 1000;
  // Below 0: the network's own default. 0 switches them off.
  float dropout = -1;
  float drop_path = -1;
};

struct Model {
  std::string name;
  std::string description;  // one line, with the paper
  int64_t image_size = 224;
  int64_t num_classes = 1000;
  // Builds the network on images {N, H, W, 3} and returns its logits {N, num_classes}. Parameter names follow from the
  // builder. Throws Error when the images are too small.
  std::function<Value(Builder, Value images, const ModelOptions&)> build;
};

// All known networks, by name.
const std::vector<Model>& models();

// Throws UsageError, with the nearest known name, when there is none.
const Model& find_model(std::string_view name);

// Makes a network of the program's own known to everything that takes a model's name. Not while another thread uses
// models(). Throws Error when the name is taken.
void add_model(Model model);

}  // namespace convoy
