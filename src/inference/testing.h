// A small network and a small set of images, for tests.
#pragma once

#include <gtest/gtest.h>
#include <png.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "convoy/recipe.h"
#include "core/random.h"

namespace convoy {

inline constexpr int kSide = 8;
inline constexpr int kClasses = 3;

// A network with everything that a step can keep or draw: batch norm's statistics, dropout's masks.
inline Value tiny_net(Builder b, Value x, const ModelOptions& options) {
  x = conv2d(b / "conv", x, {.out_channels = 8, .kernel = 3, .stride = 2, .padding = 1, .bias = false});
  x = relu(batch_norm(b / "bn", x));
  x = dropout(b / "drop", flatten(x), options.dropout < 0 ? 0.1F : options.dropout);
  return linear(b / "fc", x, {.out_features = options.num_classes, .head = true});
}

// The same for images of any size.
inline Value tiny_pooled_net(Builder b, Value x, const ModelOptions& options) {
  x = conv2d(b / "conv", x, {.out_channels = 8, .kernel = 3, .padding = 1, .bias = false});
  x = global_avg_pool(relu(batch_norm(b / "bn", x)));
  x = dropout(b / "drop", x, options.dropout < 0 ? 0.1F : options.dropout);
  return linear(b / "fc", x, {.out_features = options.num_classes, .head = true});
}

inline void write_png(const std::filesystem::path& path, const std::vector<uint8_t>& rgb) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = kSide;
  image.format = PNG_FORMAT_RGB;
  ASSERT_NE(png_image_write_to_file(&image, path.c_str(), 0, rgb.data(), 0, nullptr), 0);
}

// Images of class c are noise in which the c-th colour is brighter.
inline void write_class(const std::filesystem::path& folder, int label, int count) {
  std::filesystem::create_directories(folder);
  for (int i = 0; i < count; ++i) {
    RandomStream random(1, folder.string(), static_cast<uint64_t>(i));
    std::vector<uint8_t> rgb(3 * kSide * kSide);
    for (size_t k = 0; k < rgb.size(); ++k) {
      rgb[k] = static_cast<uint8_t>(random.below(128) + (static_cast<int>(k % 3) == label ? 60 : 0));
    }
    write_png(folder / ("image" + std::to_string(i) + ".png"), rgb);
  }
}

inline void write_dataset(const std::filesystem::path& root, int per_class) {
  for (int label = 0; label < kClasses; ++label)
    write_class(root / ("class" + std::to_string(label)), label, per_class);
}

// Makes the networks known as "tiny" and "tiny_pooled".
inline void add_tiny_net() {
  for (const Model& model : models()) {
    if (model.name == "tiny") return;
  }
  add_model({.name = "tiny",
             .description = "a test",
             .image_size = kSide,
             .num_classes = kClasses,
             .takes = {.dropout = true},
             .build = tiny_net});
  add_model({.name = "tiny_pooled",
             .description = "a test",
             .image_size = kSide,
             .num_classes = kClasses,
             .takes = {.dropout = true},
             .build = tiny_pooled_net});
}

// Trains "tiny" on the images in root/data; the run is root/run.
inline Recipe tiny_recipe(const std::filesystem::path& root) {
  Recipe recipe;
  recipe.data = (root / "data").string();
  recipe.output = root.string();
  recipe.experiment = "run";
  recipe.model = "tiny";
  recipe.batch_size = 8;
  recipe.opt = "sgd";
  recipe.warmup_epochs = 0;
  recipe.workers = 0;
  return recipe;
}

}  // namespace convoy
