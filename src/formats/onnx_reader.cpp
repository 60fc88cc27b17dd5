#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "convoy/error.h"
#include "formats/onnx_fields.h"
#include "formats/onnx_model.h"
#include "formats/onnx_tensor_reader.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

using onnx::AttributeType;
using onnx::Message;

bool is_own(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

std::string size_and_kind(size_t bytes, std::string_view kind) {
  return bytes == 0 ? "an empty file" : fmt::format("{} bytes that are {}", bytes, kind);
}

// An AttributeProto, of whose fields one is meant.
struct AttributeParts {
  std::string_view name;
  AttributeType type{};     // as the file says
  AttributeType present{};  // of the field that is there: files before IR version 2 do not say the type
  int64_t integer = 0;
  float number = 0;
  std::string_view text;
  std::vector<int64_t> integers;
  std::vector<float> numbers;
  Message tensor;
};

void append_numbers(std::vector<float>& numbers, Message& message) {
  const std::string_view bytes = onnx::numbers_in(message, sizeof(float));
  const size_t before = numbers.size();
  numbers.resize(before + bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(numbers.data() + before, bytes.data(), bytes.size());
}

// Reads the current field, where it holds a value.
void read_value_of(AttributeParts& parts, Message& message) {
  switch (message.tag()) {
    case onnx::kAttributeInteger:
      parts.present = AttributeType::integer;
      parts.integer = static_cast<int64_t>(onnx::integer_in(message));
      return;
    case onnx::kAttributeNumber:
      parts.present = AttributeType::number;
      parts.number = onnx::number_in(message);
      return;
    case onnx::kAttributeText:
      parts.present = AttributeType::text;
      parts.text = onnx::text_in(message);
      return;
    case onnx::kAttributeTensor:
      parts.present = AttributeType::tensor;
      parts.tensor = onnx::message_in(message);
      return;
    case onnx::kAttributeIntegers:
      parts.present = AttributeType::integers;
      onnx::for_each_integer(message, [&](uint64_t v) { parts.integers.push_back(static_cast<int64_t>(v)); });
      return;
    case onnx::kAttributeNumbers:
      parts.present = AttributeType::numbers;
      append_numbers(parts.numbers, message);
      return;
    default: message.skip();
  }
}

AttributeParts read_parts(Message message) {
  AttributeParts parts;
  while (message.next()) {
    switch (message.tag()) {
      case onnx::kAttributeName: parts.name = onnx::text_in(message); break;
      case onnx::kAttributeType: parts.type = static_cast<AttributeType>(onnx::integer_in(message)); break;
      default: read_value_of(parts, message);
    }
  }
  return parts;
}

class ModelReader {
 public:
  explicit ModelReader(const std::filesystem::path& path) : tensors_(path) {}

  OnnxModel read() {
    try {
      read_model(tensors_.whole_file());
    } catch (const protozero::exception& error) {
      if (!is_onnx_) refuse("not of its format");
      throw FileError(fmt::format("damaged ONNX file: {}: {}; copy or export it again", part_, error.what()));
    }
    if (!has_graph_) refuse("without a graph");
    if (!has_opset_) throw Error("names no opset, expected that of ONNX's own operators in opset_import");
    drop_inputs_with_values();
    return std::move(model_);
  }

 private:
  [[noreturn]] void refuse(std::string_view kind) const {
    throw FileError(fmt::format("expected an ONNX model, got {}", size_and_kind(tensors_.file_size(), kind)));
  }

  void read_model(Message message);
  void read_opset(Message message);
  void read_graph(Message message);
  OnnxNode read_node(Message message);
  OnnxAttribute read_attribute(Message message);
  OnnxValue read_value(Message message);
  void read_type(OnnxValue& value, Message message);
  void drop_inputs_with_values();

  onnx::TensorReader tensors_;
  OnnxModel model_;
  bool is_onnx_ = false, has_graph_ = false, has_opset_ = false;
  // What is being read, for messages.
  std::string part_ = "model";
};

void ModelReader::read_model(Message message) {
  while (message.next()) {
    switch (message.tag()) {
      case onnx::kModelIrVersion:
        onnx::integer_in(message);
        is_onnx_ = true;
        break;
      case onnx::kModelGraph:
        read_graph(onnx::message_in(message));
        is_onnx_ = has_graph_ = true;
        break;
      case onnx::kModelOpsets: read_opset(onnx::message_in(message)); break;
      case onnx::kModelMetadata: model_.metadata.insert(onnx::read_entry(onnx::message_in(message))); break;
      default: message.skip();
    }
  }
}

void ModelReader::read_opset(Message message) {
  std::string_view domain;
  int64_t version = 0;
  while (message.next()) {
    switch (message.tag()) {
      case onnx::kOpsetDomain: domain = onnx::text_in(message); break;
      case onnx::kOpsetVersion: version = static_cast<int64_t>(onnx::integer_in(message)); break;
      default: message.skip();
    }
  }
  if (!is_own(domain)) return;
  has_opset_ = true;
  model_.opset = version;
}

void ModelReader::read_graph(Message message) {
  const auto next_part = [&](std::string_view part, size_t index) {
    part_ = fmt::format("{} {}", part, index);
    return onnx::message_in(message);
  };
  while (message.next()) {
    switch (message.tag()) {
      case onnx::kGraphNodes: model_.nodes.push_back(read_node(next_part("node", model_.nodes.size()))); break;
      case onnx::kGraphName: model_.graph_name = onnx::text_in(message); break;
      case onnx::kGraphTensors:
        model_.tensors.push_back(tensors_.read(next_part("initializer", model_.tensors.size())));
        break;
      case onnx::kGraphInputs: model_.inputs.push_back(read_value(next_part("input", model_.inputs.size()))); break;
      case onnx::kGraphOutputs: model_.outputs.push_back(read_value(next_part("output", model_.outputs.size()))); break;
      case onnx::kGraphSparseTensors: throw Error("has a sparse initializer, expected dense ones alone; convert it");
      default: message.skip();
    }
    part_ = "graph";
  }
}

OnnxNode ModelReader::read_node(Message message) {
  OnnxNode node;
  std::string_view domain;
  while (message.next()) {
    switch (message.tag()) {
      case onnx::kNodeInputs: node.inputs.emplace_back(onnx::text_in(message)); break;
      case onnx::kNodeOutputs: node.outputs.emplace_back(onnx::text_in(message)); break;
      case onnx::kNodeName: node.name = onnx::text_in(message); break;
      case onnx::kNodeOp: node.op = onnx::text_in(message); break;
      case onnx::kNodeDomain: domain = onnx::text_in(message); break;
      case onnx::kNodeAttributes: node.attributes.push_back(read_attribute(onnx::message_in(message))); break;
      default: message.skip();
    }
  }
  if (node.op.empty()) throw Error(fmt::format("{} {} has no op_type", part_, quote_name(node.name)));
  if (!is_own(domain)) node.op = fmt::format("{}.{}", domain, node.op);
  return node;
}

OnnxAttribute ModelReader::read_attribute(Message message) {
  AttributeParts parts = read_parts(message);
  OnnxAttribute attribute{.name = std::string(parts.name), .value = OnnxOther{}};
  switch (parts.type == AttributeType{} ? parts.present : parts.type) {
    case AttributeType::integer: attribute.value = parts.integer; break;
    case AttributeType::number: attribute.value = parts.number; break;
    case AttributeType::text: attribute.value = std::string(parts.text); break;
    case AttributeType::integers: attribute.value = std::move(parts.integers); break;
    case AttributeType::numbers: attribute.value = std::move(parts.numbers); break;
    case AttributeType::tensor:
      attribute.value = tensors_.read(parts.tensor, fmt::format("{}: attribute {}: ", part_, quote_name(parts.name)));
      break;
    default: break;
  }
  return attribute;
}

// A TensorShapeProto.Dimension. Some exporters write -1 for what may vary.
std::variant<int64_t, std::string> read_extent(Message message) {
  std::variant<int64_t, std::string> extent = std::string();
  while (message.next()) {
    switch (message.tag()) {
      case onnx::kAxisExtent: extent = static_cast<int64_t>(onnx::integer_in(message)); break;
      case onnx::kAxisName: extent = std::string(onnx::text_in(message)); break;
      default: message.skip();
    }
  }
  const auto* number = std::get_if<int64_t>(&extent);
  if (number != nullptr && *number < 0) extent = std::string();
  return extent;
}

void ModelReader::read_type(OnnxValue& value, Message message) {
  int32_t type = 0;
  while (message.next()) {
    if (message.tag() == onnx::kTensorTypeElement) {
      type = static_cast<int32_t>(onnx::integer_in(message));
    } else if (message.tag() == onnx::kTensorTypeShape) {
      Message shape = onnx::message_in(message);
      while (shape.next(onnx::kShapeAxes)) value.shape.push_back(read_extent(onnx::message_in(shape)));
    } else {
      message.skip();
    }
  }
  value.type = onnx::element_type(type, fmt::format("{} {}", part_, quote_name(value.name)));
}

OnnxValue ModelReader::read_value(Message message) {
  OnnxValue value;
  std::optional<Message> type, tensor;
  while (message.next()) {
    switch (message.tag()) {
      case onnx::kValueName: value.name = onnx::text_in(message); break;
      case onnx::kValueType: type = onnx::message_in(message); break;
      default: message.skip();
    }
  }
  while (type && type->next(onnx::kTypeTensor)) tensor = onnx::message_in(*type);
  if (!tensor) throw Error(fmt::format("{} {} is no tensor, expected one", part_, quote_name(value.name)));
  read_type(value, *tensor);
  return value;
}

// Before IR version 4, every initializer was an input as well.
void ModelReader::drop_inputs_with_values() {
  std::set<std::string_view> names;
  for (const OnnxTensor& tensor : model_.tensors) names.insert(tensor.name);
  std::erase_if(model_.inputs, [&](const OnnxValue& input) { return names.contains(input.name); });
}

OnnxTensor read_lone_tensor(const std::filesystem::path& path) {
  onnx::TensorReader reader(path);
  if (reader.file_size() == 0) throw FileError("expected a TensorProto of ONNX, got an empty file");
  try {
    return reader.read(reader.whole_file());
  } catch (const protozero::exception& error) {
    throw FileError(fmt::format("damaged ONNX file: expected a TensorProto, got {} bytes: {}; copy or save it again",
                                reader.file_size(), error.what()));
  }
}

}  // namespace

OnnxModel read_onnx(const std::filesystem::path& path) {
  try {
    return ModelReader(path).read();
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: {}", path.string(), error.what()));
  }
}

OnnxTensor read_onnx_tensor(const std::filesystem::path& path) {
  try {
    return read_lone_tensor(path);
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace convoy
