#include "models/names/naming.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "convoy/error.h"
#include "models/names/tables.h"

namespace convoy {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The number that `text` begins with, taken off it; it is at most the longest of our names', two digits.
int take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return -1;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

// A name that begins with a place.
struct PlaceMatch {
  std::vector<int> numbers;
  std::string_view rest;  // "" or what follows the dot
};

std::optional<PlaceMatch> match_place(std::string_view pattern, std::string_view name) {
  PlaceMatch match;
  while (!pattern.empty()) {
    const char c = pattern.front();
    pattern.remove_prefix(1);
    if (c == '#' || c == '@') {
      match.numbers.push_back(take_number(name));
      if (match.numbers.back() < 0) return std::nullopt;
    } else if (c == '(') {
      const int wanted = take_number(pattern);
      pattern.remove_prefix(1);
      match.numbers.push_back(take_number(name));
      if (match.numbers.back() != wanted) return std::nullopt;
    } else {
      if (name.empty() || name.front() != c) return std::nullopt;
      name.remove_prefix(1);
    }
  }
  if (!name.empty() && name.front() != '.') return std::nullopt;
  match.rest = name.substr(name.empty() ? 0 : 1);
  return match;
}

// Block `number`, from 1, as stage and number there, both from 0.
std::string staged(int number, std::span<const int> depths) {
  int stage = 0, left = number - 1;
  for (const int depth : depths) {
    if (left < depth) break;
    left -= depth;
    ++stage;
  }
  return fmt::format("{}.{}", stage, left);
}

// The number from 0 of block `index` of `stage`, from 1, among all.
int flat(int stage, int index, std::span<const int> depths) {
  for (int earlier = 0; earlier + 1 < stage; ++earlier) index += depths[static_cast<size_t>(earlier)];
  return index;
}

std::string fill_in(std::string_view pattern, const std::vector<int>& numbers, std::span<const int> depths) {
  std::string text;
  size_t next = 0;
  while (!pattern.empty()) {
    const char c = pattern.front();
    pattern.remove_prefix(1);
    if (c == '#') {
      int number = numbers.at(next++);
      if (pattern.size() > 1 && pattern[0] == '-' && is_digit(pattern[1])) {
        pattern.remove_prefix(1);
        number -= take_number(pattern);
      }
      text += std::to_string(number);
    } else if (c == '@') {
      text += staged(numbers.at(next++), depths);
    } else if (c == '&') {
      text += std::to_string(flat(numbers.at(next), numbers.at(next + 1), depths));
      next += 2;
    } else {
      text += c;
    }
  }
  return text;
}

// "a.{q,k}" -> "a.q", "a.k"
std::vector<std::string> alternatives(const std::string& text) {
  const size_t open = text.find('{'), close = text.find('}');
  if (open == std::string::npos) return {text};
  std::vector<std::string> names;
  for (size_t begin = open + 1; begin < close;) {
    const size_t end = std::min(text.find(',', begin), close);
    names.push_back(text.substr(0, open) + text.substr(begin, end - begin) + text.substr(close + 1));
    begin = end + 1;
  }
  return names;
}

std::string joined(std::string_view a, std::string_view b) {
  return fmt::format("{}{}{}", a, a.empty() || b.empty() ? "" : ".", b);
}

// The rule for a rest; one that keeps it where there is none.
ModuleRule module_rule(const PlaceRule& place, std::string_view rest) {
  const auto found = std::ranges::find(place.modules, rest, &ModuleRule::ours);
  return found == place.modules.end() ? ModuleRule{rest, rest} : *found;
}

std::span<const int> depths_of(const Naming& naming, std::string_view model) {
  return std::ranges::find(naming.networks, model, &SourceNetwork::model)->depths;
}

}  // namespace

std::string_view to_string(Source source) {
  switch (source) {
    case Source::torchvision: return "torchvision";
    case Source::timm: return "timm";
    case Source::hf: return "hf";
    case Source::paddle: return "paddle";
  }
  return "";
}

std::span<const Naming> namings() {
  static const std::vector<Naming> all = [] {
    std::vector<Naming> list;
    for (const auto part : {torchvision_namings(), timm_namings(), hf_namings(), paddle_namings()}) {
      list.insert(list.end(), part.begin(), part.end());
    }
    return list;
  }();
  return all;
}

const Naming* find_naming(Source source, std::string_view model) {
  for (const Naming& naming : namings()) {
    if (naming.source == source && !networks_of(naming, model).empty()) return &naming;
  }
  return nullptr;
}

std::vector<SourceNetwork> networks_of(const Naming& naming, std::string_view model) {
  std::vector<SourceNetwork> networks;
  std::ranges::copy_if(naming.networks, std::back_inserter(networks),
                       [model](const SourceNetwork& network) { return network.model == model; });
  return networks;
}

const SourceNetwork* find_source_network(std::string_view name) {
  const auto named = [](std::string_view wanted) -> const SourceNetwork* {
    for (const Naming& naming : namings()) {
      const auto found = std::ranges::find(naming.networks, wanted, &SourceNetwork::name);
      if (found != naming.networks.end()) return &*found;
    }
    return nullptr;
  };
  const SourceNetwork* whole = named(name);
  return whole != nullptr ? whole : named(name.substr(0, name.find('.')));
}

SourceTensor source_tensor(const Naming& naming, std::string_view model, std::string_view name) {
  if (naming.places.empty()) return {.names = {std::string(name)}};
  const size_t dot = std::min(name.rfind('.'), name.size());
  const std::string_view module = name.substr(0, dot), leaf = name.substr(std::min(dot + 1, name.size()));
  for (const PlaceRule& place : naming.places) {
    const std::optional<PlaceMatch> match = match_place(place.ours, module);
    if (!match) continue;
    const ModuleRule rule = module_rule(place, match->rest);
    const std::string there = fill_in(place.theirs, match->numbers, depths_of(naming, model));
    SourceTensor tensor{.names = alternatives(joined(joined(there, rule.theirs), leaf))};
    if (leaf == "weight") {
      tensor.kernel = rule.kernel;
      tensor.factor = rule.factor;
    }
    return tensor;
  }
  throw Error(fmt::format("{}: has no name for '{}' of {}", to_string(naming.source), name, model));
}

}  // namespace convoy
