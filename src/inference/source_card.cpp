#include "inference/source_card.h"

#include <charconv>
#include <cmath>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace convoy {
namespace {

using nlohmann::json;

const json kNothing;

// The value at the end of a path of keys; null where there is none.
const json& at(const json& root, std::initializer_list<const char*> path) {
  const json* node = &root;
  for (const char* key : path) {
    if (!node->is_object()) return kNothing;
    const auto found = node->find(key);
    if (found == node->end()) return kNothing;
    node = &*found;
  }
  return *node;
}

std::optional<double> number_in(const json& node, double low, double high) {
  if (!node.is_number()) return std::nullopt;
  const auto value = node.get<double>();
  return value >= low && value <= high ? std::optional(value) : std::nullopt;
}

// A number of pixels, or the last of {channels, height, width}, or the height of a square.
std::optional<int> pixels(const json& node) {
  constexpr double kLargest = 16384;
  if (node.is_array()) return node.empty() || node.back().is_array() ? std::nullopt : pixels(node.back());
  if (node.is_object() && at(node, {"height"}) == at(node, {"width"})) return pixels(at(node, {"height"}));
  const auto value = number_in(node, 1, kLargest);
  return value && *value == std::floor(*value) ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

std::optional<std::array<float, 3>> three(const json& node) {
  if (!node.is_array() || node.size() != 3) return std::nullopt;
  std::array<float, 3> values{};
  for (size_t i = 0; i < 3; ++i) {
    const auto value = number_in(node[i], -1e6, 1e6);
    if (!value) return std::nullopt;
    values[i] = static_cast<float>(*value);
  }
  return values;
}

std::optional<int64_t> index_of(const std::string& text) {
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// Of a list of names, or of a dictionary from numbers to names or back, whose numbers are 0, 1, ...
std::vector<std::string> names_in(const json& node) {
  std::map<int64_t, std::string> by_number;
  if (node.is_array()) {
    for (const json& name : node) {
      if (name.is_string()) by_number.emplace(by_number.size(), name.get<std::string>());
    }
  } else if (node.is_object()) {
    for (const auto& [key, value] : node.items()) {
      if (value.is_number_integer()) {
        by_number.emplace(value.get<int64_t>(), key);
      } else if (const auto number = index_of(key); number && value.is_string()) {
        by_number.emplace(*number, value.get<std::string>());
      }
    }
  }
  if (by_number.empty() || by_number.size() != node.size() || by_number.begin()->first != 0 ||
      by_number.rbegin()->first != static_cast<int64_t>(by_number.size()) - 1) {
    return {};
  }
  std::vector<std::string> names;
  for (auto& [number, name] : by_number) names.push_back(std::move(name));
  return names;
}

// The name of transformers' network, which its sizes tell.
std::string transformers_model(const json& config) {
  const std::string type = at(config, {"model_type"}).is_string() ? config["model_type"].get<std::string>() : "";
  const json& depths = at(config, {"depths"});
  if (type == "resnet") {
    const bool basic = at(config, {"layer_type"}) == "basic";
    if (basic && depths == json{2, 2, 2, 2}) return "resnet18";
    if (depths == json{3, 4, 6, 3}) return basic ? "resnet34" : "resnet50";
    if (!basic && depths == json{3, 4, 23, 3}) return "resnet101";
    if (!basic && depths == json{3, 8, 36, 3}) return "resnet152";
  }
  if (type == "swin" && at(config, {"embed_dim"}) == 96 && depths == json{2, 2, 6, 2}) return "swin_t";
  if (type == "mobilenet_v2" && at(config, {"depth_multiplier"}) == 1.0) return "mobilenet_v2";
  const json& architectures = at(config, {"architectures"});
  return architectures.is_array() && !architectures.empty() && architectures[0].is_string()
             ? architectures[0].get<std::string>()
             : "";
}

// "resnet50" of timm's "resnet50.a1_in1k".
std::string without_tag(const std::string& name) { return name.substr(0, name.find('.')); }

std::string model_in(const json& notes) {
  for (const auto& path :
       std::initializer_list<std::initializer_list<const char*>>{{"config", "architecture"},
                                                                 {"checkpoint", "arch"},
                                                                 {"checkpoint", "args", "model"},
                                                                 {"checkpoint", "args", "arch"},
                                                                 {"checkpoint", "hyper_parameters", "arch"},
                                                                 {"checkpoint", "hyper_parameters", "model_name"},
                                                                 {"checkpoint", "hyper_parameters", "model"},
                                                                 {"checkpoint", "hyper_parameters", "backbone"}}) {
    if (const json& name = at(notes, path); name.is_string()) return without_tag(name.get<std::string>());
  }
  return transformers_model(at(notes, {"config"}));
}

std::vector<std::string> class_names_in(const json& notes) {
  for (const auto& path :
       std::initializer_list<std::initializer_list<const char*>>{{"config", "id2label"},
                                                                 {"config", "label_names"},
                                                                 {"config", "pretrained_cfg", "label_names"},
                                                                 {"checkpoint", "class_names"},
                                                                 {"checkpoint", "classes"},
                                                                 {"checkpoint", "class_to_idx"},
                                                                 {"checkpoint", "idx_to_class"},
                                                                 {"checkpoint", "names"},
                                                                 {"checkpoint", "ema", "names"},
                                                                 {"checkpoint", "model", "names"},
                                                                 {"checkpoint", "hyper_parameters", "class_names"},
                                                                 {"checkpoint", "hyper_parameters", "classes"},
                                                                 {"checkpoint", "hyper_parameters", "class_to_idx"}}) {
    if (std::vector<std::string> names = names_in(at(notes, path)); !names.empty()) return names;
  }
  return {};
}

std::optional<Interpolation> interpolation_in(const json& node) {
  // The numbers of Pillow's filters.
  constexpr std::pair<int, std::string_view> kFilters[] = {{2, "bilinear"}, {3, "bicubic"}};
  if (node.is_string()) return interpolation_from_string(node.get<std::string>());
  for (const auto& [number, word] : kFilters) {
    if (node == number) return interpolation_from_string(word);
  }
  return std::nullopt;
}

// Settings of timm, by its names, where `node` has them.
void read_timm(const json& node, SourceCard& card) {
  for (const char* key : {"input_size", "img_size"}) {
    if (!card.image_size) card.image_size = pixels(at(node, {key}));
  }
  if (!card.crop_pct) card.crop_pct = number_in(at(node, {"crop_pct"}), 1e-3, 1);
  if (!card.interpolation) card.interpolation = interpolation_in(at(node, {"interpolation"}));
  if (!card.mean) card.mean = three(at(node, {"mean"}));
  if (!card.std) card.std = three(at(node, {"std"}));
  if (at(node, {"crop_mode"}) == "squash") card.resize_mode = ResizeMode::squash;
}

// torchvision's references resize to one size and crop to another.
void read_torchvision(const json& args, SourceCard& card) {
  const std::optional<int> resized = pixels(at(args, {"val_resize_size"})),
                           cropped = pixels(at(args, {"val_crop_size"}));
  if (!resized || !cropped || *cropped > *resized) return;
  card.image_size = cropped;
  card.crop_pct = static_cast<double>(*cropped) / *resized;
}

// https://huggingface.co/docs/transformers/main_classes/image_processor
void read_transformers(const json& config, SourceCard& card) {
  if (!config.is_object()) return;
  const json& size = at(config, {"size"});
  const std::optional<int> shorter = pixels(size.is_object() ? at(size, {"shortest_edge"}) : size);
  const std::optional<int> crop = pixels(at(config, {"crop_size"}));
  const bool crops = at(config, {"do_center_crop"}) == true && crop.has_value();
  constexpr int kUncropped = 384;  // ConvNeXt's processor squashes images of this size and more
  if (const auto share = number_in(at(config, {"crop_pct"}), 1e-3, 1); share && shorter) {
    card.image_size = shorter;
    card.crop_pct = share;
    if (*shorter >= kUncropped) card.resize_mode = ResizeMode::squash;
  } else if (crops && shorter && *crop <= *shorter) {
    card.image_size = crop;
    card.crop_pct = static_cast<double>(*crop) / *shorter;
  } else if (const std::optional<int> both = pixels(size); both && !crops) {
    card.image_size = both;
    card.resize_mode = ResizeMode::squash;
  }
  card.interpolation = interpolation_in(at(config, {"resample"}));
  const bool normalizes = at(config, {"do_normalize"}) != false;
  card.mean = normalizes ? three(at(config, {"image_mean"})) : std::array<float, 3>{0, 0, 0};
  card.std = normalizes ? three(at(config, {"image_std"})) : std::array<float, 3>{1, 1, 1};
}

}  // namespace

SourceCard source_card(const json& notes) {
  SourceCard card{.model = model_in(notes), .class_names = class_names_in(notes)};
  read_transformers(at(notes, {"preprocessor_config"}), card);
  read_timm(at(notes, {"config", "pretrained_cfg"}), card);
  read_torchvision(at(notes, {"checkpoint", "args"}), card);
  read_timm(at(notes, {"checkpoint", "args"}), card);
  read_timm(at(notes, {"checkpoint", "hyper_parameters"}), card);
  if (!card.image_size) card.image_size = pixels(at(notes, {"checkpoint", "train_args", "imgsz"}));
  return card;
}

}  // namespace convoy
