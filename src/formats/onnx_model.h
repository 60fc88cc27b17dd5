// ONNX files (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), as far as networks need them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
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
  std::span<const std::byte> bytes = {};   // dense, little endian, perhaps not aligned
  std::shared_ptr<const void> owner = {};  // of the bytes: memory, or a mapped file
};

// An attribute of a kind that no supported op has: a graph, a type, lists of texts or tensors.
struct OnnxOther {};

struct OnnxAttribute {
  std::string name;
  std::variant<OnnxOther, int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, OnnxTensor> value;
};

struct OnnxNode {
  std::string op;  // with its domain before it where that is another than ONNX's own: "com.microsoft.Gelu"
  std::string name;
  std::vector<std::string> inputs;  // empty where an optional one is absent
  std::vector<std::string> outputs;
  std::vector<OnnxAttribute> attributes = {};
};

// An input or output of the model.
struct OnnxValue {
  std::string name;
  DType type = DType::f32;
  std::vector<std::variant<int64_t, std::string>> shape;  // an extent, or the name, if any, of one that may vary
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

// Reads a model, mapping the file and the files beside it that hold its tensors. Checked are the wire format and every
// tensor's size, but not whether nodes fit together. Throws Error where the file is no ONNX model, is damaged, or has
// tensors in a file that does not lie in the model's folder.
OnnxModel read_onnx(const std::filesystem::path& path);

// A TensorProto that stands alone in a file (.pb).
OnnxTensor read_onnx_tensor(const std::filesystem::path& path);

}  // namespace convoy
