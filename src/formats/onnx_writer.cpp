#include <fmt/format.h>

#include <limits>
#include <optional>
#include <protozero/pbf_writer.hpp>
#include <span>
#include <utility>

#include "convoy/error.h"
#include "convoy/version.h"
#include "formats/atomic_file.h"
#include "formats/onnx_fields.h"
#include "formats/onnx_model.h"

namespace convoy {
namespace {

using protozero::pbf_writer;

// The oldest version of the format that has the opset (https://github.com/onnx/onnx/blob/main/docs/Versioning.md).
int64_t ir_version(int64_t opset) { return opset >= 21 ? 10 : opset >= 19 ? 9 : 8; }

void add_strings(pbf_writer& message, uint32_t field, const std::vector<std::string>& values) {
  for (const std::string& value : values) message.add_string(field, value);
}

void write(pbf_writer message, const OnnxTensor& tensor) {
  message.add_packed_int64(onnx::kTensorShape, tensor.shape.begin(), tensor.shape.end());
  message.add_int32(onnx::kTensorType, onnx::type_number(tensor.type));
  message.add_string(onnx::kTensorName, tensor.name);
  message.add_bytes(onnx::kTensorBytes, reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
}

struct AttributeWriter {
  pbf_writer& message;

  void operator()(const OnnxOther&) {}
  void operator()(int64_t value) { end(onnx::AttributeType::integer).add_int64(onnx::kAttributeInteger, value); }
  void operator()(float value) { end(onnx::AttributeType::number).add_float(onnx::kAttributeNumber, value); }
  void operator()(const std::string& value) { end(onnx::AttributeType::text).add_string(onnx::kAttributeText, value); }
  void operator()(const std::vector<int64_t>& values) {
    pbf_writer& attribute = end(onnx::AttributeType::integers);
    for (const int64_t value : values) attribute.add_int64(onnx::kAttributeIntegers, value);
  }
  void operator()(const std::vector<float>& values) {
    pbf_writer& attribute = end(onnx::AttributeType::numbers);
    for (const float value : values) attribute.add_float(onnx::kAttributeNumbers, value);
  }
  void operator()(const OnnxTensor& value) {
    write(pbf_writer(end(onnx::AttributeType::tensor), onnx::kAttributeTensor), value);
  }

 private:
  pbf_writer& end(onnx::AttributeType type) {
    message.add_enum(onnx::kAttributeType, static_cast<int32_t>(type));
    return message;
  }
};

void write(pbf_writer message, const OnnxNode& node) {
  add_strings(message, onnx::kNodeInputs, node.inputs);
  add_strings(message, onnx::kNodeOutputs, node.outputs);
  message.add_string(onnx::kNodeName, node.name);
  message.add_string(onnx::kNodeOp, node.op);
  for (const OnnxAttribute& attribute : node.attributes) {
    pbf_writer part(message, onnx::kNodeAttributes);
    part.add_string(onnx::kAttributeName, attribute.name);
    std::visit(AttributeWriter{part}, attribute.value);
  }
}

void write(pbf_writer message, const OnnxValue& value) {
  message.add_string(onnx::kValueName, value.name);
  pbf_writer type(message, onnx::kValueType);
  pbf_writer tensor(type, onnx::kTypeTensor);
  tensor.add_int32(onnx::kTensorTypeElement, onnx::type_number(value.type));
  pbf_writer shape(tensor, onnx::kTensorTypeShape);
  for (const auto& extent : value.shape) {
    pbf_writer axis(shape, onnx::kShapeAxes);
    if (const auto* number = std::get_if<int64_t>(&extent)) {
      axis.add_int64(onnx::kAxisExtent, *number);
    } else {
      axis.add_string(onnx::kAxisName, std::get<std::string>(extent));
    }
  }
}

void write(pbf_writer message, const OnnxModel& model) {
  message.add_int64(onnx::kModelIrVersion, ir_version(model.opset));
  message.add_string(onnx::kModelProducer, "convoy");
  message.add_string(onnx::kModelProducerVersion, std::string(version()));
  {
    pbf_writer graph(message, onnx::kModelGraph);
    for (const OnnxNode& node : model.nodes) write(pbf_writer(graph, onnx::kGraphNodes), node);
    graph.add_string(onnx::kGraphName, model.graph_name);
    for (const OnnxTensor& tensor : model.tensors) write(pbf_writer(graph, onnx::kGraphTensors), tensor);
    for (const OnnxValue& value : model.inputs) write(pbf_writer(graph, onnx::kGraphInputs), value);
    for (const OnnxValue& value : model.outputs) write(pbf_writer(graph, onnx::kGraphOutputs), value);
  }
  {
    pbf_writer opset(message, onnx::kModelOpsets);
    opset.add_string(onnx::kOpsetDomain, "");
    opset.add_int64(onnx::kOpsetVersion, model.opset);
  }
  for (const auto& [key, value] : model.metadata) {
    pbf_writer entry(message, onnx::kModelMetadata);
    entry.add_string(onnx::kEntryKey, key);
    entry.add_string(onnx::kEntryValue, value);
  }
}

}  // namespace

void write_onnx(const std::filesystem::path& path, const OnnxModel& model) {
  // Of protocol buffers, which also write the lengths of messages in so many bits.
  constexpr size_t kMost = std::numeric_limits<int32_t>::max();
  size_t bytes = 0;
  for (const OnnxTensor& tensor : model.tensors) bytes += tensor.bytes.size();
  if (bytes > kMost - (size_t{64} << 20)) {
    throw FileError(fmt::format("{}: {:.1f} GiB of weights, but an ONNX file can have 2 GiB in all", path.string(),
                                static_cast<double>(bytes) / (1 << 30)));
  }
  std::string text;
  text.reserve(bytes + (size_t{1} << 20));
  write(pbf_writer(text), model);
  write_file_atomically(path, text);
}

}  // namespace convoy
