// What a checkpoint of another program says of its network, its classes and its images.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/transform.h"

namespace convoy {

struct SourceCard {
  std::string model;                     // a network's name as the program spells it, "mobilenetv2_100"; empty: unknown
  std::vector<std::string> class_names;  // empty: unknown
  std::optional<int> image_size = {};
  std::optional<ResizeMode> resize_mode = {};
  std::optional<double> crop_pct = {};
  std::optional<Interpolation> interpolation = {};
  std::optional<std::array<float, 3>> mean = {}, std = {};

  // Whether it says anything of the images.
  bool has_preprocessing() const { return image_size || resize_mode || crop_pct || interpolation || mean || std; }
};

// Of Checkpoint::notes(): what transformers and timm write to config.json and preprocessor_config.json, and what the
// training programs of torchvision, timm, Lightning and Ultralytics keep in their checkpoints. What is not of the form
// that they write is passed over.
SourceCard source_card(const nlohmann::json& notes);

}  // namespace convoy
