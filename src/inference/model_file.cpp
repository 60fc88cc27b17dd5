#include "inference/model_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <set>

#include "convoy/error.h"
#include "convoy/version.h"
#include "core/finite.h"
#include "core/parallel.h"
#include "core/text.h"
#include "formats/encode.h"
#include "formats/layout.h"
#include "formats/network_json.h"
#include "formats/strict_json.h"
#include "inference/integer_buffer.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"
#include "plan/network_graph.h"

namespace convoy {
namespace {

using nlohmann::json;

constexpr const char* kMetadataKey = "convoy";
constexpr const char* kNetworkKey = "convoy.network";
constexpr int kFormat = 2;  // 2: bn_eps, same_padding, tensors of integers

json to_json(const TrainingRecord& record) {
  return {
      {"data", record.data},     {"val", record.val},     {"val_split", record.val_split},        {"seed", record.seed},
      {"images", record.images}, {"names", record.names}, {"contents", record.contents.to_text()}};
}

json to_json(const ModelCard& card) {
  const Preprocessing& preprocessing = card.preprocessing;
  json root = {{"format", kFormat},
               {"version", version()},
               {"architecture", card.architecture},
               {"options",
                {{"num_classes", card.options.num_classes},
                 {"dropout", card.options.dropout},
                 {"drop_path", card.options.drop_path},
                 {"width", card.options.width},
                 {"asymmetry_rate", card.options.asymmetry_rate},
                 {"activation", to_string(card.options.activation)},
                 {"acnet", card.options.acnet},
                 {"bn_eps", card.options.bn_eps},
                 {"same_padding", card.options.same_padding},
                 {"fused", card.options.fused}}},
               {"preprocessing",
                {{"image_size", preprocessing.image_size},
                 {"resize_mode", to_string(preprocessing.resize_mode)},
                 {"crop_pct", preprocessing.crop_pct},
                 {"interpolation", to_string(preprocessing.interpolation)},
                 {"mean", preprocessing.mean},
                 {"std", preprocessing.std}}},
               {"class_names", card.class_names},
               {"metrics", card.metrics}};
  if (card.training) root["training"] = to_json(*card.training);
  return root;
}

// A number of the file that must lie in a range before it becomes an integer or float.
double number(const json& node, double low, double high) {
  const auto value = node.get<double>();
  if (!(value >= low && value <= high))
    throw Error(fmt::format("expected a number from {} to {}, got {}", low, high, value));
  return value;
}

std::array<float, 3> three_floats(const json& node) {
  std::array<float, 3> values{};
  if (!node.is_array() || node.size() != 3) throw Error("expected three numbers for mean and std");
  std::ranges::transform(node, values.begin(), [](const json& x) { return static_cast<float>(number(x, -1e6, 1e6)); });
  return values;
}

// JSON's other numbers are doubles, which need not fit.
template <class Integer>
Integer whole(const json& node) {
  if (!node.is_number_integer()) throw Error("expected a whole number for seed and names");
  return node.get<Integer>();
}

TrainingRecord training_from(const json& node) {
  return {.data = node.at("data").get<std::string>(),
          .val = node.at("val").get<std::string>(),
          .val_split = number(node.at("val_split"), 0, 1),
          .seed = whole<int64_t>(node.at("seed")),
          .images = static_cast<int64_t>(number(node.at("images"), 0, 1e15)),
          .names = whole<uint64_t>(node.at("names")),
          .contents = ContentSet::from_text(node.at("contents").get_ref<const std::string&>())};
}

template <class Enum>
Enum known(std::optional<Enum> value, const json& word) {
  if (!value) throw Error(fmt::format("unknown word {}", quote_name(word.get_ref<const std::string&>())));
  return *value;
}

ModelCard from_json(const json& root) {
  if (const auto format = number(root.at("format"), 0, 1e9); format > kFormat) {
    throw Error(fmt::format("expected format {} or older, got {}; use a newer version of Convoy", kFormat, format));
  }
  ModelCard card;
  card.architecture = root.at("architecture").get<std::string>();
  const json& options = root.at("options");
  card.options.num_classes = static_cast<int64_t>(number(options.at("num_classes"), 1, 1e6));
  card.options.dropout = static_cast<float>(number(options.at("dropout"), -1, 1));
  card.options.drop_path = static_cast<float>(number(options.at("drop_path"), -1, 1));
  card.options.width = number(options.value("width", json(1)), 0, kMaxWidth);
  card.options.asymmetry_rate =
      static_cast<int64_t>(number(options.value("asymmetry_rate", json(-1)), -1, kMaxAsymmetryRate));
  const json activation = options.value("activation", json("none"));
  card.options.activation = known(activation_from_string(activation.get<std::string>()), activation);
  card.options.acnet = options.value("acnet", false);
  card.options.bn_eps = static_cast<float>(number(options.value("bn_eps", json(-1)), -1, 1));
  card.options.same_padding = options.value("same_padding", false);
  card.options.fused = options.value("fused", false);
  const json& node = root.at("preprocessing");
  Preprocessing& preprocessing = card.preprocessing;
  preprocessing.image_size = static_cast<int>(number(node.at("image_size"), 1, 16384));
  const json& mode = node.at("resize_mode");
  preprocessing.resize_mode = known(resize_mode_from_string(mode.get<std::string>()), mode);
  preprocessing.crop_pct = node.at("crop_pct").get<double>();
  const json& filter = node.at("interpolation");
  preprocessing.interpolation = known(interpolation_from_string(filter.get<std::string>()), filter);
  preprocessing.mean = three_floats(node.at("mean"));
  preprocessing.std = three_floats(node.at("std"));
  check(preprocessing);
  card.class_names = root.at("class_names").get<std::vector<std::string>>();
  if (card.class_names.size() != static_cast<size_t>(card.options.num_classes)) {
    throw Error(fmt::format("expected {} class names, got {}", card.options.num_classes, card.class_names.size()));
  }
  card.metrics = root.at("metrics").get<std::map<std::string, double>>();
  if (root.contains("training")) card.training = training_from(root["training"]);
  return card;
}

// The network as it trains, of which what only infers is made.
std::string network_text(const ModelCard& card) {
  const Model& model = model_of(card);
  ModelOptions options = card.options;
  options.fused = false;
  if (!model.takes.dropout) options.dropout = -1;
  if (!model.takes.drop_path) options.drop_path = -1;
  const int64_t side = card.preprocessing.image_size;
  Graph graph(Mode::training);
  const Value images(&graph, graph.add_input("images", {{1, side, side, 3}}));
  graph.set_output("logits", build_network(model, Builder(graph), images, options).id());
  return network_to_json(graph);
}

// Takes the network from the file where the program knows none of the card's name. Its options are part of it.
void find_network(const SafetensorsReader& file, ModelCard& card) {
  const auto found = file.metadata().find(kNetworkKey);
  if (models().contains(card.architecture) || found == file.metadata().end()) return;
  if (card.architecture.empty() || printable(card.architecture) != card.architecture) {
    throw Error(fmt::format("expected a name of the architecture, got {}", quote_name(card.architecture)));
  }
  card.network = std::make_shared<const Model>(network_from_json(found->second, card.architecture));
  card.options = {.num_classes = card.options.num_classes, .fused = card.options.fused};
}

std::vector<int64_t> extents_of(const Shape& shape) { return {shape.extents().begin(), shape.extents().end()}; }

// At most a few names, for a message of one line.
void append_names(std::string& message, std::string_view what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  constexpr size_t kMost = 4;
  const std::vector<std::string> shown(names.begin(), names.begin() + static_cast<long>(std::min(names.size(), kMost)));
  message +=
      fmt::format("; {} {}: {}{}", names.size(), what, fmt::join(shown, ", "), names.size() > kMost ? ", ..." : "");
}

// Of a variable.
struct Place {
  Shape shape;
  FileLayout layout;
  DType type;
  bool is_scale;  // of a quantised layer's weight
};

std::map<std::string, Place> places_of(const Graph& graph) {
  std::map<std::string, Place> places;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (info.is_variable()) places[info.name] = {info.type.shape, info.layout, info.type.dtype, false};
  }
  for (const Node& node : graph.nodes()) {
    if (op_as<QuantizedConv2dOp>(node) == nullptr) continue;
    const ValueInfo& scale = graph.value(node.inputs[QuantizedConv2dOp::kWeightScale]);
    if (scale.is_variable()) places[scale.name].is_scale = true;
  }
  return places;
}

// Throws Error for what no quantised layer computes with.
void check_quantized(std::span<const float> values, const Place& place, const std::filesystem::path& file,
                     const std::string& tensor) {
  if (place.type == DType::f32 && !place.is_scale) return;
  const auto refused =
      std::ranges::find_if(values, [&](float value) { return place.is_scale ? value <= 0 : value < -127; });
  if (refused == values.end()) return;
  throw Error(fmt::format("{}: tensor {} holds {}, expected {} of a quantised layer", file.string(), quote_name(tensor),
                          *refused, place.is_scale ? "the scales, above 0," : "the weights, from -127 to 127,"));
}

void check_tensors(const SafetensorsReader& file, const std::map<std::string, Place>& wanted) {
  std::vector<std::string> missing, mistyped, misshapen, unexpected;
  for (const auto& [name, place] : wanted) {
    const Shape shape = file_shape(place.shape, place.layout);
    const StoredTensor* stored = file.find(name);
    if (stored == nullptr) {
      missing.push_back(name);
    } else if (place.type != DType::f32 && stored->type != place.type) {
      mistyped.push_back(fmt::format("{} (expected {}, got {})", name, to_string(place.type), to_string(stored->type)));
    } else if (stored->shape != extents_of(shape)) {
      misshapen.push_back(
          fmt::format("{} (expected {}, got {})", name, shape.to_string(), fmt::join(stored->shape, "x")));
    }
  }
  for (const StoredTensor& stored : file.tensors()) {
    if (is_floating(stored.type) && !wanted.contains(stored.name)) unexpected.push_back(quote_name(stored.name));
  }
  if (missing.empty() && mistyped.empty() && misshapen.empty() && unexpected.empty()) return;
  std::string message = fmt::format("{}: the tensors are not those of the network", file.path().string());
  append_names(message, "missing", missing);
  append_names(message, "of another type", mistyped);
  append_names(message, "of another shape", misshapen);
  append_names(message, "unexpected", unexpected);
  throw Error(message);
}

}  // namespace

const Model& model_of(const ModelCard& card) {
  return card.network != nullptr ? *card.network : find_model(card.architecture);
}

std::string to_text(const ModelCard& card) { return to_json(card).dump(); }

void write_model_file(const std::filesystem::path& path, const ModelCard& card, const Graph& graph,
                      std::string_view prefix, const Variables& variables) {
  std::vector<float> ordered;
  std::deque<std::vector<std::byte>> converted;
  std::deque<IntegerBuffer> buffers;
  std::vector<TensorToStore> tensors;
  std::vector<float> scratch;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    if (!graph.value(id).is_variable()) continue;
    const std::string& name = graph.value(id).name;
    const Variables::Variable& variable = variables.at(name);
    const std::span<const float> values = variables.elements(name, scratch);
    // The graph knows the layout also of averages, which are states among the variables.
    ordered.resize(values.size());
    to_file_layout(variable.shape, graph.value(id).layout, values, ordered);
    const DType type = graph.value(id).type.dtype;
    tensors.push_back({.name = name.substr(prefix.size()),
                       .type = type,
                       .shape = extents_of(file_shape(variable.shape, graph.value(id).layout)),
                       .data = converted.emplace_back(encode_floats(ordered, type))});
    IntegerBuffer& buffer = buffers.emplace_back(integer_buffer_beside(tensors.back().name, tensors.back().shape));
    if (buffer.values.empty()) continue;
    tensors.push_back({buffer.name, DType::i64, buffer.shape, std::as_bytes(std::span(buffer.values))});
  }
  write_safetensors(path, std::move(tensors),
                    {{kMetadataKey, to_text(card)}, {kNetworkKey, network_text(card)}, {"format", "pt"}});
}

ModelCard card_from_text(const std::string& text) {
  return from_json(parse_strict_json(text, 3, "the model's description"));
}

ModelCard read_model_card(const SafetensorsReader& file) {
  const auto found = file.metadata().find(kMetadataKey);
  if (found == file.metadata().end()) {
    throw FileError(
        fmt::format("{}: expected a model file of Convoy, got a safetensors file without '{}' in its metadata",
                    file.path().string(), kMetadataKey));
  }
  try {
    ModelCard card = card_from_text(found->second);
    find_network(file, card);
    return card;
  } catch (const json::exception& error) {
    throw Error(
        fmt::format("{}: the model's description is damaged: {}", file.path().string(), quote_name(error.what())));
  } catch (const Error& error) {
    throw Error(fmt::format("{}: the model's description is damaged: {}", file.path().string(), error.what()));
  }
}

std::optional<ModelCard> find_model_card(const Checkpoint& file) {
  const json& notes = file.notes();
  if (!notes.contains("metadata") || !notes["metadata"].contains(kMetadataKey)) return std::nullopt;
  return read_model_card(SafetensorsReader(file.path()));
}

void check_finite(std::span<const float> values, const std::filesystem::path& file, const std::string& tensor) {
  if (const std::optional<size_t> place = first_not_finite(values)) {
    throw NumericError(fmt::format(
        "{}: tensor {} holds {} (its number {} of {}), and no network computes with that; the training that made it "
        "diverged, or the file is damaged",
        file.string(), quote_name(tensor), values[*place], *place + 1, values.size()));
  }
}

Graph graph_of(const ModelCard& card, const std::filesystem::path& file) {
  const int64_t side = card.preprocessing.image_size;
  try {
    return inference_graph(model_of(card), card.options, {1, side, side, 3});
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", file.string(), error.what()));
  }
}

WeightSource weights_in(const SafetensorsReader& file, const Graph& graph) {
  std::map<std::string, Place> places = places_of(graph);
  check_tensors(file, places);
  return [&file, places = std::move(places)](const std::string& name, std::span<float> into) {
    // Some rows at a time, which stay in the caches.
    constexpr size_t kMost = size_t{1} << 16;
    const Place& place = places.at(name);
    const auto rows = place.layout == FileLayout::same ? 1 : static_cast<size_t>(place.shape[-1]);
    const size_t row = into.size() / std::max<size_t>(rows, 1);
    const size_t at_once = std::clamp<size_t>(kMost / std::max<size_t>(row, 1), 1, rows);
    std::vector<float> part(at_once * row);
    for (size_t first = 0; first < rows; first += at_once) {
      const std::span<float> values = std::span(part).first(std::min(at_once, rows - first) * row);
      file.floats(name, first * row, values);
      if (first_not_finite(values)) check_finite(file.floats(name), file.path(), name);
      check_quantized(values, place, file.path(), name);
      rows_from_file_layout(place.shape, place.layout, static_cast<int64_t>(first), values, into);
    }
  };
}

void read_weights(const SafetensorsReader& file, const Graph& graph, Variables& variables) {
  const WeightSource source = weights_in(file, graph);
  variables.add(graph, std::nullopt);
  std::vector<std::string> names;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).is_variable()) names.push_back(graph.value(id).name);
  }
  parallel_for_throwing(names.size(), [&](size_t i) {
    variables.fill(names[i], [&](std::span<float> values) { source(names[i], values); });
  });
}

}  // namespace convoy
