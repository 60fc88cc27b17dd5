// The networks that Convoy knows, and how a program adds its own.
//
// Threads: what is looked up may be used from several at once; add_model() may not run beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/activation.h"
#include "convoy/builder.h"
#include "convoy/export_macro.h"
#include "convoy/ops.h"
#include "convoy/shape.h"

namespace convoy {

inline constexpr double kMaxWidth = 16;
inline constexpr int64_t kMaxAsymmetryRate = 16;

// What a caller may ask of any network; a network takes what applies to it.
struct ModelOptions {
  int64_t num_classes = 1000;
  // Only for networks that take them (Model::takes); the values here leave a network as it is.
  // Probabilities in [0, 1); below 0: the network's own. Any network takes 0, which switches them off.
  float dropout = -1;
  float drop_path = -1;
  double width = 1;  // multiplier of the channels, up to kMaxWidth
  // AsymmNet's copies of the input on either side of an expansion, up to kMaxAsymmetryRate; below 0: the network's own.
  int64_t asymmetry_rate = -1;
  Activation activation = Activation::none;  // in place of Model::activation
  // Every trained k x k convolution, k odd and above 1, becomes the asymmetric block of ACNet (Ding et al., arXiv
  // 1908.03930).
  bool acnet = false;
  float bn_eps = -1;  // of every batch norm; below 0: the network's own
  // Convolutions with strides are padded as TensorFlow's "same" does: what an even map lacks stands below and at the
  // right. Otherwise, as in torch, on either side alike.
  bool same_padding = false;
  // Every linear branch as one convolution (convoy/fuse.h): only to infer.
  bool fused = false;
};

// Training images and the weights of a network that has not been trained yet.
struct FirstImages {
  std::span<const float> pixels;  // {N, H, W, 3}, normalised as in training
  Shape shape;
  // The elements of a parameter or state, in the order inside.
  std::function<std::span<float>(std::string_view name)> weight;
};

struct Model {
  std::string name;
  std::string description;  // one line, with the paper
  int64_t image_size = 224;
  int64_t num_classes = 1000;
  // Which of the options that only some networks take this one does.
  struct Takes {
    bool dropout = false, drop_path = false, width = false, asymmetry_rate = false, acnet = true;
  } takes = {};
  Activation activation = Activation::none;  // that ModelOptions::activation may replace; none: it is not to be chosen
  // Builds the network on images {N, H, W, 3} and returns its logits {N, num_classes}. Parameter names follow from the
  // builder. Throws Error when the images are too small.
  std::function<Value(Builder, Value images, const ModelOptions&)> build;
  // Sets the weights that depend on the images, before a training from scratch; empty where there are none.
  std::function<void(const FirstImages&)> start_from_images = {};
};

// model.build, after a look at the options: throws UsageError for one that the network does not take (graphs that only
// infer take any dropout), or an impossible one.
CONVOY_API Value build_network(const Model& model, Builder b, Value images, const ModelOptions& options);

struct ModelOrder {
  using is_transparent = void;
  bool operator()(const Model& a, const Model& b) const { return a.name < b.name; }
  bool operator()(const Model& a, std::string_view b) const { return a.name < b; }
  bool operator()(std::string_view a, const Model& b) const { return a < b.name; }
};

// All known networks, by name. They stay where they are when others are added.
CONVOY_API const std::set<Model, ModelOrder>& models();

// Throws UsageError, with the nearest known name, when there is none.
CONVOY_API const Model& find_model(std::string_view name);

// Makes a network of the program's own known to everything that takes a model's name. Not while another thread uses
// models(). Throws Error when the name is taken.
CONVOY_API void add_model(Model model);

}  // namespace convoy
