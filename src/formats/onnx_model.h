// ONNX files (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), as far as networks need them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "convoy/dtype.h"

namespace convoy {

struct OnnxTensor {
  std::string name = {};
  DType type = DType::f32;
  std::vector<int64_t> shape = {};
  std::vector<std::byte> bytes = {};  // dense, little endian
};

struct OnnxAttribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, OnnxTensor> value;
};

struct OnnxNode {
  std::string op;
  std::string name;
  std::vector<std::string> inputs;  // empty where an optional one is absent
  std::vector<std::string> outputs;
  std::vector<OnnxAttribute> attributes = {};
};

// An input or output of the model.
struct OnnxValue {
  std::string name;
  DType type = DType::f32;
  std::vector<std::variant<int64_t, std::string>> shape;  // an extent, or the name of one that may vary
};

struct OnnxModel {
  int64_t opset = 17;
  std::string graph_name;
  std::vector<OnnxNode> nodes;  // each behind those whose outputs it takes
  std::vector<OnnxTensor> tensors;
  std::vector<OnnxValue> inputs, outputs;
  std::map<std::string, std::string> metadata;
};

// Writes the file atomically. Throws Error where it would have more than the 2 GiB that the format allows, or cannot be
// written.
void write_onnx(const std::filesystem::path& path, const OnnxModel& model);

}  // namespace convoy
