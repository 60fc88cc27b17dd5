#include "inference/onnx_import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "convoy/error.h"
#include "formats/strict_json.h"
#include "graph/copy.h"
#include "inference/onnx_tracer.h"
#include "ops/reshape/reshape.h"

namespace convoy {
namespace {

OnnxLowering find_lowering(const std::string& op) {
  for (const auto table : {onnx_layers(), onnx_elementwise(), onnx_shaping()}) {
    const auto found = std::ranges::find(table, op, &OnnxOp::name);
    if (found != table.end()) return found->lower;
  }
  return nullptr;
}

std::string describe(const OnnxNode& node) {
  const std::string& name = !node.name.empty() || node.outputs.empty() ? node.name : node.outputs[0];
  return fmt::format("{} {}", node.op, quote_name(name));
}

// The nodes that the tensor needs, in their order.
std::vector<const OnnxNode*> needed_nodes(const OnnxModel& model, const std::string& tensor) {
  std::set<std::string_view> needed{tensor};
  std::vector<const OnnxNode*> nodes;
  for (size_t i = model.nodes.size(); i-- > 0;) {
    const OnnxNode& node = model.nodes[i];
    const bool is_needed = std::ranges::any_of(
        node.outputs, [&](const std::string& output) { return !output.empty() && needed.contains(output); });
    if (!is_needed) continue;
    nodes.push_back(&node);
    needed.insert(node.inputs.begin(), node.inputs.end());
  }
  std::ranges::reverse(nodes);
  return nodes;
}

int64_t shape_elements(const Integers& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

// What is known of the shape of a computed tensor: with one image and with two.
std::pair<OnnxConstant, OnnxConstant> shape_constants(const OnnxCall& call, const Traced& x, bool any_batch) {
  Integers one = x.shape, two = x.shape;
  if (any_batch && x.batch >= 0) two[static_cast<size_t>(x.batch)] *= 2;
  if (call.node().op == "Size") {
    const auto count = [](const Integers& shape) { return OnnxConstant{{}, Integers{shape_elements(shape)}}; };
    return {count(one), count(two)};
  }
  const int64_t rank = x.rank();
  const auto place = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  const int64_t begin = place(call.integer("start", 0)), end = std::max(begin, place(call.integer("end", rank)));
  const auto part = [&](const Integers& shape) {
    return OnnxConstant{{end - begin}, Integers{shape.begin() + begin, shape.begin() + end}};
  };
  return {part(one), part(two)};
}

// Traces the model's nodes one after the other.
class Tracing {
 public:
  Tracing(const OnnxModel& model, OnnxNetwork& network) : model_(model), tracer_(model, network) {
    for (const OnnxTensor& tensor : model.tensors) {
      tensors_[tensor.name] = &tensor;
      room_ += 8 * shape_elements(tensor.shape);
    }
    for (const OnnxNode& node : model.nodes) {
      for (const OnnxAttribute& attribute : node.attributes) {
        if (const auto* tensor = std::get_if<OnnxTensor>(&attribute.value)) room_ += 8 * shape_elements(tensor->shape);
      }
    }
  }

  OnnxTracer& tracer() { return tracer_; }

  void run(const std::vector<const OnnxNode*>& nodes) {
    for (const OnnxNode* node : nodes) {
      for (const std::string& name : node->inputs) load(name);
    }
    for (const OnnxNode* node : nodes) trace(*node);
    if (!unsupported_.empty()) refuse();
  }

 private:
  void trace(const OnnxNode& node) {
    if (std::ranges::all_of(node.outputs, [&](const auto& name) { return name.empty() || tracer_.contains(name); })) {
      return;
    }
    for (const std::string& name : node.inputs) {
      if (blocked_.contains(name)) return block(node);
    }
    try {
      if (!take(node)) {
        unsupported_[node.op].push_back(node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name);
        block(node);
      }
    } catch (const Error& error) {
      error.rethrow(fmt::format("{}: {}", describe(node), error.what()));
    }
  }

  // Initializers that nodes take become constants.
  void load(const std::string& name) {
    const auto found = tensors_.find(name);
    if (name.empty() || found == tensors_.end() || tracer_.contains(name)) return;
    const OnnxConstant constant = constant_of(*found->second);
    tracer_.set(name, OnnxTracer::constant(constant, constant, name));
  }

  bool take(const OnnxNode& node) {
    OnnxCall call(tracer_, node);
    tracer_.set_node(node);
    check_bytes(node);
    const bool is_known =
        std::ranges::all_of(node.inputs, [&](const auto& name) { return name.empty() || tracer_.at(name).is_known(); });
    if (is_known && can_fold(node.op)) {
      fold_node(call);
    } else if ((node.op == "Shape" || node.op == "Size") && node.inputs.size() == 1) {
      auto [one, two] = shape_constants(call, call.input(0), tracer_.any_batch());
      call.set(0, OnnxTracer::constant(std::move(one), std::move(two)));
    } else if (const OnnxLowering lower = find_lowering(node.op); lower != nullptr) {
      lower(call);
    } else {
      return false;
    }
    return true;
  }

  // Bytes of QuantizeLinear stand for numbers: they can be moved and compared, no more.
  void check_bytes(const OnnxNode& node) const {
    static const std::set<std::string_view> kMoves{
        "Concat", "DequantizeLinear", "Flatten",   "Identity", "MaxPool", "Reshape", "Shape", "Size", "Slice",
        "Split",  "Squeeze",          "Transpose", "Unsqueeze"};
    if (kMoves.contains(node.op)) return;
    for (const std::string& name : node.inputs) {
      if (name.empty() || !tracer_.is_bytes(tracer_.at(name))) continue;
      throw Error("expected floats, got bytes of a QuantizeLinear; put a DequantizeLinear before it");
    }
  }

  void fold_node(OnnxCall& call) {
    const OnnxNode& node = call.node();
    std::vector<const OnnxConstant*> one, two;
    bool differ = false;
    for (const std::string& name : node.inputs) {
      const Traced* input = name.empty() ? nullptr : &tracer_.at(name);
      one.push_back(input == nullptr ? nullptr : &*input->one);
      two.push_back(input == nullptr ? nullptr : &*input->two);
      differ = differ || (input != nullptr && *input->one != *input->two);
    }
    std::vector<OnnxConstant> of_one = fold(node, one, model_.opset, room_);
    std::vector<OnnxConstant> of_two = differ ? fold(node, two, model_.opset, room_) : of_one;
    for (const OnnxConstant& output : of_one) room_ -= 2 * shape_elements(output.shape);
    if (room_ < 0) throw Error("the constants that the model computes are too large");
    // A weight that is only passed on, or moved, is still that weight.
    static const std::set<std::string_view> kPasses{"Cast", "DequantizeLinear", "Identity", "Reshape", "Transpose"};
    const bool passes = kPasses.contains(node.op);
    const std::string source = passes && !node.inputs.empty() ? tracer_.at(node.inputs[0]).source : "";
    for (size_t i = 0; i < of_one.size(); ++i) {
      call.set(i, OnnxTracer::constant(std::move(of_one[i]), std::move(of_two[i]), source));
    }
  }

  void block(const OnnxNode& node) { blocked_.insert(node.outputs.begin(), node.outputs.end()); }

  [[noreturn]] void refuse() const {
    std::vector<std::string> parts;
    for (const auto& [op, names] : unsupported_) {
      constexpr size_t kMost = 3;
      std::vector<std::string> shown;
      for (size_t i = 0; i < std::min(kMost, names.size()); ++i) shown.push_back(quote_name(names[i]));
      parts.push_back(
          fmt::format("{} ({}: {}{})", op, names.size(), fmt::join(shown, ", "), names.size() > kMost ? ", ..." : ""));
    }
    throw Error(
        fmt::format("operators that are not supported: {}; docs/onnx.md lists those that are", fmt::join(parts, ", ")));
  }

  const OnnxModel& model_;
  OnnxTracer tracer_;
  // Elements that what is computed may have in all: a small file is to fill no memory.
  int64_t room_ = int64_t{1} << 22;
  std::map<std::string, const OnnxTensor*> tensors_;
  std::set<std::string> blocked_;  // tensors that need what is not supported
  std::map<std::string, std::vector<std::string>> unsupported_;
};

// Reads past reshapes: one of a reshape is one of what that reshapes, and none where the shape is the same.
void merge_reshapes(Graph& graph, ValueId& output) {
  std::map<ValueId, ValueId> reshaped, same;  // of values that reshapes make: what they are of, and what they equal
  const auto is_made = [&](ValueId id) { return graph.value(id).kind == ValueKind::activation; };
  for (Node& node : graph.nodes()) {
    for (ValueId& id : node.inputs) {
      if (const auto found = same.find(id); found != same.end()) id = found->second;
    }
    if (op_as<ReshapeOp>(node) == nullptr || !is_made(node.inputs[0])) continue;
    ValueId& input = node.inputs[0];
    if (const auto found = reshaped.find(input); found != reshaped.end()) input = found->second;
    reshaped[node.outputs[0]] = input;
    if (graph.value(input).type == graph.value(node.outputs[0]).type) same[node.outputs[0]] = input;
  }
  if (const auto found = same.find(output); found != same.end()) output = found->second;
}

// The graph without what the output does not need.
Graph pruned(Graph graph, ValueId output) {
  merge_reshapes(graph, output);
  std::vector<bool> live(static_cast<size_t>(graph.value_count()));
  const auto is_live = [&](ValueId id) { return id != kNoValue && live[static_cast<size_t>(id)]; };
  live[static_cast<size_t>(output)] = true;
  std::vector<const Node*> nodes;
  for (size_t i = graph.nodes().size(); i-- > 0;) {
    const Node& node = graph.nodes()[i];
    if (std::ranges::none_of(node.outputs, is_live)) continue;
    nodes.push_back(&node);
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) live[static_cast<size_t>(id)] = true;
    }
  }
  Graph result(graph.mode());
  std::vector<ValueId> ids(live.size(), kNoValue);
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    ValueId& to = ids[static_cast<size_t>(id)];
    const bool is_made = info.kind == ValueKind::activation;
    if (info.kind == ValueKind::input || (is_live(id) && !is_made)) to = add_copy(result, info);
  }
  for (size_t i = nodes.size(); i-- > 0;) {
    std::vector<ValueId> inputs;
    for (const ValueId id : nodes[i]->inputs) inputs.push_back(id == kNoValue ? id : ids[static_cast<size_t>(id)]);
    const std::vector<ValueId> outputs = result.add_node(nodes[i]->op, inputs);
    for (size_t k = 0; k < outputs.size(); ++k) {
      if (nodes[i]->outputs[k] != kNoValue) ids[static_cast<size_t>(nodes[i]->outputs[k])] = outputs[k];
    }
  }
  result.set_output("logits", ids[static_cast<size_t>(output)]);
  return result;
}

void keep_live_weights(OnnxNetwork& network) {
  std::erase_if(network.weights, [&](const auto& entry) { return network.graph.find_named(entry.first) == kNoValue; });
  std::erase_if(network.sources, [&](const auto& entry) { return !network.weights.contains(entry.first); });
}

// The model's only input. Some exporters leave behind others that nothing takes any more.
const OnnxValue& only_input(const OnnxModel& model, const OnnxTracer& tracer) {
  std::vector<const OnnxValue*> inputs;
  for (const OnnxValue& input : model.inputs) {
    if (model.inputs.size() == 1 || tracer.is_taken(input.name)) inputs.push_back(&input);
  }
  if (inputs.size() != 1) {
    throw Error(fmt::format("expected a model of one input, its images, got {} inputs", inputs.size()));
  }
  return *inputs[0];
}

// The images as the model takes them: {N, 3, S, S}, or {N, S, S, 3}.
Traced images_of(const OnnxValue& input, std::optional<int64_t> image_size, OnnxTracer& tracer) {
  const auto fail = [&](std::string_view got) {
    throw Error(fmt::format("expected float images {{N, 3, S, S}} as input {}, got {}", quote_name(input.name), got));
  };
  if (input.type != DType::f32) fail(to_string(input.type));
  if (input.shape.size() != 4) fail(fmt::format("{} axes", input.shape.size()));
  std::array<int64_t, 4> extents{};  // 0 where any is allowed
  for (size_t i = 0; i < 4; ++i) {
    const auto* extent = std::get_if<int64_t>(&input.shape[i]);
    extents[i] = extent == nullptr || *extent < 0 ? 0 : *extent;
  }
  const bool maps = extents[1] == 3 || extents[3] != 3;
  int64_t &height = extents[maps ? 2 : 1], &width = extents[maps ? 3 : 2];
  const int64_t size = height > 0 ? height : width > 0 ? width : image_size.value_or(224);
  for (int64_t* extent : {&height, &width}) *extent = *extent > 0 ? *extent : size;
  if (extents[0] > 1) fail(fmt::format("batches of {}; export it for batches of one or of any size", extents[0]));
  if ((maps ? extents[1] : extents[3]) != 3 || height != width || size > 16384) {
    fail(fmt::format("{{{}}}", fmt::join(extents, ", ")));
  }
  tracer.set_any_batch(extents[0] == 0);
  extents[0] = 1;
  const Value images(&tracer.graph(), tracer.graph().add_input("images", {{1, size, size, 3}}));
  return OnnxTracer::computed(images, maps ? Axes{0, 2, 3, 1} : Axes{0, 1, 2, 3}, {extents.begin(), extents.end()}, 0);
}

// The layer that makes the logits: its classes may be changed.
const OnnxNode* head_of(const OnnxTracer& tracer, std::string tensor) {
  while (const OnnxNode* node = tracer.producer(tensor)) {
    if (node->op == "Gemm" || node->op == "MatMul") return node;
    const bool passes = node->op == "Identity" || node->op == "Dropout" || node->op == "Add";
    if (!passes || node->inputs.empty()) return nullptr;
    const bool first_is_made = tracer.producer(node->inputs[0]) != nullptr || node->inputs.size() == 1;
    tensor = node->inputs[first_is_made ? 0 : 1];
  }
  return nullptr;
}

// The tensor before a softmax at the end.
std::string before_softmax(const OnnxTracer& tracer, std::string tensor, bool& softmax) {
  while (const OnnxNode* node = tracer.producer(tensor)) {
    if ((node->op != "Softmax" && node->op != "Identity") || node->inputs.size() != 1) break;
    softmax = softmax || node->op == "Softmax";
    tensor = node->inputs[0];
  }
  return tensor;
}

}  // namespace

OnnxNetwork onnx_network(const OnnxModel& model, std::optional<int64_t> image_size) {
  if (model.outputs.empty()) throw Error("expected a model with an output, got none");
  OnnxNetwork network;
  Tracing tracing(model, network);
  OnnxTracer& tracer = tracing.tracer();
  const OnnxValue& input = only_input(model, tracer);
  tracer.set(input.name, images_of(input, image_size, tracer));
  const std::string output = before_softmax(tracer, model.outputs[0].name, network.softmax);
  tracer.set_head(head_of(tracer, output));
  tracing.run(needed_nodes(model, output));
  if (!tracer.contains(output)) throw Error(fmt::format("no node makes its output {}", quote_name(output)));
  Traced logits = tracer.at(output);
  if (logits.is_known()) throw Error("its output does not depend on the images");
  if (tracer.is_bytes(logits)) throw Error("expected logits of floats, got bytes");
  int64_t classes = 1;
  for (const int64_t extent : logits.shape) classes *= extent;
  if (logits.batch != 0 || logits.before != 1 || logits.shape[0] != 1 ||
      !std::ranges::any_of(logits.shape, [&](int64_t extent) { return extent == classes; })) {
    throw Error(fmt::format("expected logits {{N, classes}}, got {{{}}}", fmt::join(logits.shape, ", ")));
  }
  logits = tracer.reshaped(logits, {1, classes}, Integers{2, classes});
  network.graph = pruned(network.graph, tracer.ordered(logits, {0, 1}).id());
  keep_live_weights(network);
  return network;
}

OnnxNetwork onnx_function(const OnnxModel& model, const std::map<std::string, OnnxTensor>& known, size_t output) {
  OnnxNetwork network;
  network.graph = Graph(Mode::inference);
  Tracing tracing(model, network);
  OnnxTracer& tracer = tracing.tracer();
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const OnnxConstant constant = constant_of(known.at(model.inputs[i].name));
    if (i > 0) {
      tracer.set(model.inputs[i].name, OnnxTracer::constant(constant, constant));
      continue;
    }
    Axes axes;
    for (size_t axis = 0; axis < constant.shape.size(); ++axis) axes.push_back(static_cast<int>(axis));
    const Shape shape{std::span<const int64_t>(constant.shape)};
    const Value value(&network.graph, network.graph.add_input("images", {shape}));
    tracer.set(model.inputs[i].name, OnnxTracer::computed(value, axes, constant.shape, -1));
  }
  const std::string& name = model.outputs.at(output).name;
  tracing.run(needed_nodes(model, name));
  const Traced result = tracer.at(name);
  if (result.is_known()) throw Error("its output is known");
  if (result.has_sign) throw Error("its output would be bytes with a sign");
  Axes axes;
  for (int axis = 0; axis < result.rank(); ++axis) axes.push_back(axis);
  network.graph = pruned(network.graph, tracer.ordered(result, axes).id());
  keep_live_weights(network);
  return network;
}

}  // namespace convoy
