// ONNX files as networks that infer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "inference/model_file.h"
#include "plan/variables.h"

namespace convoy {

struct OnnxFile {
  std::shared_ptr<const Model> network;
  Variables variables;                         // of the network that infers
  std::map<std::string, std::string> sources;  // of its weights, the tensors of the model that they came from
  bool softmax = false;                        // the model ends with one, which is left out
  std::optional<ModelCard> card;               // of the model file that Convoy wrote it of
  std::vector<std::string> class_names;        // that it tells; empty: none
};

// Whether the name says that it is an ONNX model, and no folder has it.
bool is_onnx_file(const std::filesystem::path& path);

// The network that an ONNX file holds, called `name`. image_size: as onnx_network() takes it. Throws Error that names
// the file where it cannot be read, holds no such network, or its network does not treat images each alone.
OnnxFile read_onnx_file(const std::filesystem::path& path, const std::string& name,
                        std::optional<int64_t> image_size = {});

}  // namespace convoy
