#include "formats/network_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "convoy/error.h"
#include "core/text.h"
#include "formats/strict_json.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr int kNesting = 5;  // of an attribute's list within a node

template <class Enum, size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Names<Initializer::Kind, 5> kStarts{{{Initializer::Kind::constant, "constant"},
                                               {Initializer::Kind::normal, "normal"},
                                               {Initializer::Kind::uniform, "uniform"},
                                               {Initializer::Kind::truncated_normal, "truncated_normal"},
                                               {Initializer::Kind::dirac, "dirac"}}};
constexpr Names<FileLayout, 3> kLayouts{
    {{FileLayout::same, "same"}, {FileLayout::conv, "conv"}, {FileLayout::linear, "linear"}}};
constexpr Names<Role, 4> kRoles{{{Role::other, "other"},
                                 {Role::norm_bias, "norm_bias"},
                                 {Role::head_weight, "head_weight"},
                                 {Role::head_bias, "head_bias"}}};

template <class Enum, size_t N>
std::string name_of(const Names<Enum, N>& names, Enum value) {
  return std::string(std::ranges::find(names, value, &std::pair<Enum, std::string_view>::first)->second);
}

template <class Enum, size_t N>
Enum value_of(const Names<Enum, N>& names, const json& word) {
  const auto& text = word.get_ref<const std::string&>();
  const auto found = std::ranges::find(names, text, &std::pair<Enum, std::string_view>::second);
  if (found == names.end()) throw Error(fmt::format("unknown word {}", quote_name(text)));
  return found->first;
}

json to_json(const AttributeValue& value) {
  return std::visit([](const auto& x) { return json(x); }, value);
}

// JSON's other numbers, and those beyond 64 bits, are not taken for whole ones.
int64_t whole(const json& node, int64_t low, int64_t high) {
  const bool fits = node.is_number_integer() &&
                    (!node.is_number_unsigned() || node.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
  if (!fits || node.get<int64_t>() < low || node.get<int64_t>() > high) {
    throw Error(fmt::format("expected a whole number from {} to {}, got {}", low, high,
                            node.is_number() ? node.dump() : node.type_name()));
  }
  return node.get<int64_t>();
}

int value_number(const json& node) { return static_cast<int>(whole(node, 0, INT32_MAX)); }

AttributeValue attribute_from(const json& node) {
  if (node.is_boolean()) return node.get<bool>();
  if (node.is_number_integer()) return whole(node, INT64_MIN, INT64_MAX);
  if (node.is_number()) return node.get<double>();
  if (node.is_string()) return node.get<std::string>();
  if (!node.is_array()) throw Error("expected a number, a word or a list of whole numbers as an attribute");
  std::vector<int64_t> list;
  for (const json& element : node) {
    if (!element.is_number_integer()) throw Error("expected whole numbers in an attribute's list");
    list.push_back(whole(element, INT64_MIN, INT64_MAX));
  }
  return list;
}

json shape_to_json(const Shape& shape) { return std::vector<int64_t>(shape.extents().begin(), shape.extents().end()); }

Shape shape_from(const json& node) {
  Shape shape;
  if (!from_attribute(attribute_from(node), shape)) throw Error("expected a list of whole numbers as a shape");
  return shape;
}

float float_from(const json& node) {
  float value = 0;
  if (!from_attribute(attribute_from(node), value)) throw Error("expected a number that float32 can hold");
  return value;
}

DType type_from(const json& word) {
  const auto& name = word.get_ref<const std::string&>();
  if (name == to_string(DType::f32)) return DType::f32;
  if (name == to_string(DType::i8)) return DType::i8;
  throw Error(fmt::format("expected F32 or I8 as a tensor's type, got {}", quote_name(name)));
}

// A network as a text holds it. Values are numbered: the images, tensors, constants, then the outputs of each node.
struct StoredNetwork {
  struct Node {
    const OpType* type;
    std::vector<Attribute> attributes;
    std::vector<int> inputs;  // -1: absent
    int outputs;
  };
  std::string name;
  int64_t image_size = 0;
  std::vector<ValueInfo> tensors = {}, constants = {};
  std::vector<Node> nodes = {};
  int logits = 0;
  int64_t classes = 0;  // by the tensors of the head; 0: not known yet
  bool has_head = false;
};

StoredNetwork::Node node_from(const json& node) {
  StoredNetwork::Node stored{&find_op_type(node.at("op").get_ref<const std::string&>()), {}, {}, 0};
  for (const auto& [key, value] : node.at("attributes").get_ref<const json::object_t&>()) {
    stored.attributes.push_back({key, attribute_from(value)});
  }
  for (const json& input : node.at("inputs").get_ref<const json::array_t&>()) {
    stored.inputs.push_back(input.is_null() ? -1 : value_number(input));
  }
  stored.outputs = static_cast<int>(whole(node.at("outputs"), 1, 8));
  return stored;
}

bool is_of_head(const ValueInfo& tensor) { return tensor.role == Role::head_weight || tensor.role == Role::head_bias; }

ValueInfo tensor_from(const json& node) {
  const bool trained = node.at("trained").get<bool>();
  ValueInfo info{.name = node.at("name").get<std::string>(),
                 .type = {shape_from(node.at("shape")), type_from(node.value("type", json("F32")))},
                 .kind = trained ? ValueKind::parameter : ValueKind::state,
                 .start = {value_of(kStarts, node.at("start")), float_from(node.at("start_value")), true},
                 .layout = value_of(kLayouts, node.at("layout")),
                 .role = value_of(kRoles, node.value("role", json("other")))};
  const Shape& shape = info.type.shape;
  const auto require = [&info](bool holds, std::string_view expected) {
    if (!holds) throw Error(fmt::format("{}: expected {}", quote_name(info.name), expected));
  };
  require(!info.name.empty() && printable(info.name) == info.name, "a name that can be printed");
  require(info.layout != FileLayout::conv || shape.rank() == 4, "four axes in the layout \"conv\"");
  require(info.layout != FileLayout::linear || (shape.rank() == 4 && shape[0] == 1 && shape[1] == 1),
          "a shape [1, 1, in, out] in the layout \"linear\"");
  require(info.start.kind != Initializer::Kind::dirac || shape.rank() == 4, "four axes where it starts as \"dirac\"");
  require(info.type.dtype == DType::f32 || trained, "a tensor of I8 to be trained");
  require(!is_of_head(info) || shape.rank() >= 1, "axes of a tensor of the head");
  return info;
}

// Calls read(element) for each of the list `key`; errors say for which.
template <class Read>
void for_each(const json& root, const char* key, const Read& read) {
  const auto& list = root.at(key).get_ref<const json::array_t&>();
  for (size_t i = 0; i < list.size(); ++i) {
    try {
      read(list[i]);
    } catch (const json::exception& error) {
      throw Error(fmt::format("{}[{}]: {}", key, i, quote_name(error.what())));
    } catch (const Error& error) {
      throw Error(fmt::format("{}[{}]: {}", key, i, error.what()));
    }
  }
}

StoredNetwork parse(std::string_view text, std::string name) {
  const json root = parse_strict_json(text, kNesting, "the network");
  if (const int64_t format = whole(root.at("format"), 0, INT32_MAX); format != kFormat) {
    throw Error(fmt::format("expected format {} of the network, got {}; use {} version of Convoy", kFormat, format,
                            format > kFormat ? "a newer" : "an older"));
  }
  StoredNetwork network{.name = std::move(name), .image_size = whole(root.at("image_size"), 1, 16384)};
  for_each(root, "tensors", [&network](const json& node) {
    const ValueInfo& tensor = network.tensors.emplace_back(tensor_from(node));
    if (!is_of_head(tensor)) return;
    const int64_t classes = tensor.type.shape[-1];
    if (network.has_head && classes != network.classes) {
      throw Error(fmt::format("{}: expected {} classes as in the rest of the head, got {}", quote_name(tensor.name),
                              network.classes, classes));
    }
    network.has_head = true;
    network.classes = classes;
  });
  if (network.tensors.empty()) throw Error("expected a network with tensors, got none");
  for_each(root, "constants", [&network](const json& node) {
    network.constants.push_back(
        {.type = {shape_from(node.at("shape"))}, .start = Initializer::constant(float_from(node.at("value")))});
  });
  for_each(root, "nodes", [&network](const json& node) { network.nodes.push_back(node_from(node)); });
  network.logits = value_number(root.at("logits"));
  return network;
}

void set_training(std::vector<Attribute>& attributes, bool training) {
  for (Attribute& attribute : attributes) {
    if (attribute.key == "training") attribute.value = training;
  }
}

// Adds a stored network to the graph of a builder.
class Rebuilder {
 public:
  Rebuilder(const StoredNetwork& network, Builder b, int64_t classes)
      : network_(network), b_(b), graph_(b.graph()), classes_(classes) {}

  Value build(Value images) {
    values_.push_back(images.id());
    for (const ValueInfo& tensor : network_.tensors) add_tensor(tensor);
    for (const ValueInfo& constant : network_.constants) {
      values_.push_back(graph_.add_constant(constant.type.shape, constant.start.value));
    }
    for (size_t i = 0; i < network_.nodes.size(); ++i) {
      try {
        add_node(network_.nodes[i], images.shape()[0]);
      } catch (const Error& error) {
        throw Error(fmt::format("nodes[{}]: {}", i, error.what()));
      }
    }
    return logits(images.shape()[0]);
  }

 private:
  void add_tensor(const ValueInfo& tensor) {
    std::vector<int64_t> extents(tensor.type.shape.extents().begin(), tensor.type.shape.extents().end());
    if (is_of_head(tensor)) extents.back() = classes_;
    const Shape shape(extents);
    values_.push_back(
        tensor.kind == ValueKind::parameter
            ? b_.parameter(tensor.name, shape, tensor.start, tensor.layout, tensor.role, tensor.type.dtype).id()
            : b_.state(tensor.name, shape, tensor.start, tensor.layout).id());
  }

  ValueId value(int number) const {
    if (static_cast<size_t>(number) >= values_.size()) {
      throw Error(fmt::format("expected the number of an earlier value, below {}, got {}", values_.size(), number));
    }
    return values_[static_cast<size_t>(number)];
  }

  Value logits(int64_t batch) const {
    const ValueId id = value(network_.logits);
    const bool made = id != kNoValue && graph_.value(id).kind == ValueKind::activation;
    const Shape shape = made ? graph_.value(id).type.shape : Shape{};
    if (shape.rank() != 2 || shape[0] != batch || (classes_ > 0 && shape[1] != classes_)) {
      throw Error(fmt::format("expected logits {}x{} of {} images, got {}", batch,
                              classes_ > 0 ? std::to_string(classes_) : "classes", batch,
                              made ? shape.to_string() : "what no node makes"));
    }
    return {&graph_, id};
  }

  void add_node(const StoredNetwork::Node& node, int64_t batch) {
    std::vector<ValueId> inputs;
    for (const int input : node.inputs) inputs.push_back(input == -1 ? kNoValue : value(input));
    const bool training = graph_.mode() == Mode::training;
    if (node.type->name == "dropout" || node.type->name == "drop_path") {
      if (inputs.empty()) throw Error(fmt::format("{}: its input is missing", node.type->name));
      if (std::ranges::any_of(inputs.begin() + 1, inputs.end(), [](ValueId id) { return id != kNoValue; })) {
        throw Error(fmt::format("{}: a network has none with an addend", node.type->name));
      }
      if (!training) {
        values_.push_back(inputs[0]);
        values_.resize(values_.size() + static_cast<size_t>(node.outputs) - 1, kNoValue);
        return;
      }
    }
    std::vector<Attribute> attributes = node.attributes;
    set_training(attributes, training);
    if (node.type->name == "reshape") multiply_first_extent(attributes, batch);
    if (node.type->name == "channel_scale" && classes_ != network_.classes) fit_factor(inputs);
    std::vector<ValueId> outputs = graph_.add_node(node.type->make(attributes), std::move(inputs));
    if (outputs.empty()) throw Error(fmt::format("{}: a network has no such op", node.type->name));
    if (outputs.size() < static_cast<size_t>(node.outputs)) {
      throw Error(
          fmt::format("{}: expected at most {} outputs, got {}", node.type->name, outputs.size(), node.outputs));
    }
    check_changes(graph_.nodes().back());
    outputs.resize(static_cast<size_t>(node.outputs));
    values_.insert(values_.end(), outputs.begin(), outputs.end());
  }

  // A constant that multiplies channels fits any number of them: the head's may be others than the text's.
  void fit_factor(std::vector<ValueId>& inputs) const {
    if (inputs.size() < 2 || inputs[0] == kNoValue || inputs[1] == kNoValue) return;
    const ValueInfo& factor = graph_.value(inputs[1]);
    const Shape& x = graph_.value(inputs[0]).type.shape;
    const bool factor_of_all = factor.kind == ValueKind::constant && factor.type.shape.rank() == 1 && x.rank() > 0;
    if (factor_of_all) inputs[1] = graph_.add_constant({x[-1]}, factor.start.value);
  }

  // What a run changes in place must be a state of the network: not its images, a trained weight or a result.
  void check_changes(const Node& node) const {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNoValue || !node.op->mutates(static_cast<int>(i))) continue;
      if (graph_.value(id).kind == ValueKind::state) continue;
      throw Error(fmt::format("{}: expected its {} to be a tensor that is not trained", node.op->name(),
                              node.op->slots()[i].name));
    }
  }

  // The text's graph is of one image.
  static void multiply_first_extent(std::vector<Attribute>& attributes, int64_t batch) {
    for (Attribute& attribute : attributes) {
      auto* extents = std::get_if<std::vector<int64_t>>(&attribute.value);
      if (attribute.key != "shape" || extents == nullptr || extents->empty()) continue;
      if (__builtin_mul_overflow(extents->front(), batch, &extents->front())) throw Error("reshape: too many elements");
    }
  }

  const StoredNetwork& network_;
  Builder b_;
  Graph& graph_;
  int64_t classes_;
  std::vector<ValueId> values_;
};

Value build(const StoredNetwork& network, Builder b, Value images, const ModelOptions& options) {
  const Shape& shape = images.shape();
  if (shape[1] != network.image_size || shape[2] != network.image_size) {
    throw UsageError(fmt::format("img-size: the file holds {} for images of {} pixels, got {}x{}", network.name,
                                 network.image_size, shape[1], shape[2]));
  }
  if (options.num_classes != network.classes && !network.has_head) {
    throw UsageError(fmt::format("num-classes: {} has {} classes, and does not say which of its layers is the head",
                                 network.name, network.classes));
  }
  return Rebuilder(network, b, options.num_classes).build(images);
}

}  // namespace

std::string network_to_json(const Graph& graph) {
  std::vector<int> numbers(static_cast<size_t>(graph.value_count()), -1);
  const ValueId images = graph.named("images");
  const Shape& size = graph.value(images).type.shape;
  if (size != Shape{1, size[1], size[1], 3}) {
    throw Error(fmt::format("network: expected one square image {{1, S, S, 3}}, got {}", size.to_string()));
  }
  json tensors = json::array(), constants = json::array(), nodes = json::array();
  int next = 0;
  numbers[static_cast<size_t>(images)] = next++;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (info.kind == ValueKind::input && id != images) throw Error("network: expected no input but its images");
    if (!info.is_variable()) continue;
    if (printable(info.name) != info.name) {
      throw Error(fmt::format("network: the tensor's name {} cannot be printed", quote_name(info.name)));
    }
    numbers[static_cast<size_t>(id)] = next++;
    json tensor = {{"name", info.name},
                   {"trained", info.kind == ValueKind::parameter},
                   {"shape", shape_to_json(info.type.shape)},
                   {"layout", name_of(kLayouts, info.layout)},
                   {"start", name_of(kStarts, info.start.kind)},
                   {"start_value", info.start.value}};
    if (info.type.dtype != DType::f32) tensor["type"] = to_string(info.type.dtype);
    if (info.role != Role::other) tensor["role"] = name_of(kRoles, info.role);
    tensors.push_back(std::move(tensor));
  }
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (info.kind != ValueKind::constant) continue;
    numbers[static_cast<size_t>(id)] = next++;
    constants.push_back({{"shape", shape_to_json(info.type.shape)}, {"value", info.start.value}});
  }
  for (const Node& node : graph.nodes()) {
    json attributes = json::object(), inputs = json::array();
    for (const Attribute& attribute : node.op->attributes()) {
      if (!attribute.usual) attributes[attribute.key] = to_json(attribute.value);
    }
    for (const ValueId id : node.inputs) {
      inputs.push_back(id == kNoValue ? json() : json(numbers[static_cast<size_t>(id)]));
    }
    nodes.push_back({{"op", node.op->name()},
                     {"attributes", std::move(attributes)},
                     {"inputs", std::move(inputs)},
                     {"outputs", node.outputs.size()}});
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) numbers[static_cast<size_t>(id)] = next;
      ++next;
    }
  }
  return json{{"format", kFormat},
              {"image_size", size[1]},
              {"tensors", std::move(tensors)},
              {"constants", std::move(constants)},
              {"nodes", std::move(nodes)},
              {"logits", numbers[static_cast<size_t>(graph.output("logits"))]}}
      .dump();
}

Model network_from_json(std::string_view text, std::string name) {
  try {
    auto network = std::make_shared<StoredNetwork>(parse(text, name));
    const auto try_out = [&network](Mode mode, int64_t batch) {
      Graph graph(mode);
      const Value images(&graph, graph.add_input("images", {{batch, network->image_size, network->image_size, 3}}));
      return build(*network, Builder(graph), images, {.num_classes = network->classes}).shape()[1];
    };
    network->classes = try_out(Mode::training, 2);
    try_out(Mode::inference, 1);
    return {.name = std::move(name),
            .description = "a network that a file holds",
            .image_size = network->image_size,
            .num_classes = network->classes,
            .build = [network](Builder b, Value images, const ModelOptions& options) {
              return build(*network, b, images, options);
            }};
  } catch (const json::exception& error) {
    throw Error(fmt::format("the network is damaged: {}", quote_name(error.what())));
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    throw Error(fmt::format("the network is damaged: {}", error.what()));
  }
}

}  // namespace convoy
