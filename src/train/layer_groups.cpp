#include "train/layer_groups.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace convoy {
namespace {

bool is_number(std::string_view part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  while (!name.empty()) {
    parts.push_back(name.substr(0, name.find('.')));
    name.remove_prefix(std::min(name.size(), parts.back().size() + 1));
  }
  return parts;
}

// The module of a parameter that is a layer: the one at the top, with up to two numbers that follow it, the second of
// which may be that of "blocks".
std::string layer_name(std::string_view parameter) {
  const std::vector<std::string_view> parts = parts_of(parameter);
  std::string name(parts[0]);
  size_t next = 1;
  const auto take_number = [&] {
    if (next >= parts.size() || !is_number(parts[next])) return false;
    name.append(".").append(parts[next++]);
    return true;
  };
  if (!take_number()) return name;
  if (next < parts.size() && parts[next] == "blocks") ++next;
  take_number();
  return name;
}

}  // namespace

std::string head_place(const Graph& forward) {
  for (const ValueId id : forward.parameters()) {
    const ValueInfo& info = forward.value(id);
    if (info.role == Role::head_weight) return info.name.substr(0, info.name.rfind('.'));
  }
  return {};
}

std::map<std::string, int64_t> layers_of(const Graph& forward) {
  const std::string head = head_place(forward);
  struct Layer {
    std::string name;
    std::vector<std::string> parameters;
    bool vectors_only = true;
  };
  std::vector<Layer> layers;
  for (const ValueId id : forward.parameters()) {
    const ValueInfo& info = forward.value(id);
    const bool of_head = !head.empty() && parts_of(info.name)[0] == parts_of(head)[0];
    const std::string name = of_head ? std::string(parts_of(head)[0]) : layer_name(info.name);
    if (layers.empty() || layers.back().name != name) layers.push_back({.name = name, .parameters = {}});
    layers.back().parameters.push_back(info.name);
    layers.back().vectors_only = layers.back().vectors_only && info.type.shape.rank() <= 1;
  }
  std::map<std::string, int64_t> numbers;
  int64_t number = -1;
  for (const Layer& layer : layers) {
    if (!layer.vectors_only || number < 0) ++number;
    for (const std::string& parameter : layer.parameters) numbers[parameter] = number;
  }
  return numbers;
}

}  // namespace convoy
