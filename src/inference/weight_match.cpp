#include "inference/weight_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "formats/layout.h"

namespace convoy {
namespace {

using Extents = std::vector<int64_t>;
using Names = std::map<std::string, size_t, std::less<>>;

// Paddle's names of a norm's statistics are torch's here.
std::string torch_name(std::string name) {
  for (const auto& [theirs, ours] : {std::pair("._mean", ".running_mean"), std::pair("._variance", ".running_var")}) {
    if (name.ends_with(theirs)) return name.substr(0, name.size() - std::string_view(theirs).size()) + ours;
  }
  return name;
}

Extents without_trailing_ones(Extents shape) {
  while (!shape.empty() && shape.back() == 1) shape.pop_back();
  return shape;
}

// What the tensors of a network are called, and are, in a file.
struct Dictionary {
  const Naming* naming = nullptr;  // nullptr: by the network's own names
  std::vector<SourceTensor> tensors;
};

// Whether the file has this tensor as {in, out}.
bool is_transposed(const Checkpoint& file, const Naming* naming, const NetworkTensor& tensor) {
  const bool paddle = file.layout() == SourceLayout::paddle || (naming != nullptr && naming->source == Source::paddle);
  return paddle && tensor.layout == FileLayout::linear;
}

// The tensor's shape as the file's framework writes it.
Extents shape_in(const Checkpoint& file, const Naming* naming, const NetworkTensor& tensor) {
  Extents shape = tensor.shape;
  if (is_transposed(file, naming, tensor)) std::swap(shape[0], shape[1]);
  return shape;
}

// The shape in the file of each of a tensor's parts.
Extents part_shape(const Checkpoint& file, const Dictionary& dictionary, const NetworkTensor& tensor,
                   const SourceTensor& source) {
  Extents shape = shape_in(file, dictionary.naming, tensor);
  if (source.kernel > 0) shape = {shape[0], shape[1] / (source.kernel * source.kernel), source.kernel, source.kernel};
  shape[0] /= static_cast<int64_t>(source.names.size());
  return shape;
}

Names names_of(const Checkpoint& file, std::string_view prefix) {
  Names names;
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const Checkpoint::Tensor& tensor = file.tensors()[i];
    if (is_floating(tensor.type) && tensor.name.starts_with(prefix)) {
      names.emplace(torch_name(tensor.name.substr(prefix.size())), i);
    }
  }
  return names;
}

// The places in the file of a tensor's parts; empty unless all are there.
std::vector<size_t> places_of(const Names& names, const SourceTensor& source) {
  std::vector<size_t> places;
  for (const std::string& name : source.names) {
    const auto found = names.find(name);
    if (found == names.end()) return {};
    places.push_back(found->second);
  }
  return places;
}

size_t hits(const Names& names, const Dictionary& dictionary) {
  return static_cast<size_t>(
      std::ranges::count_if(dictionary.tensors, [&](const auto& t) { return !places_of(names, t).empty(); }));
}

std::vector<Dictionary> dictionaries(std::string_view model, std::span<const NetworkTensor> wanted) {
  std::vector<Dictionary> all(1);
  for (const NetworkTensor& tensor : wanted) all[0].tensors.push_back({.names = {tensor.name}});
  for (const Naming& naming : namings()) {
    if (naming.places.empty() || networks_of(naming, model).empty()) continue;
    Dictionary& dictionary = all.emplace_back(Dictionary{&naming, {}});
    for (const NetworkTensor& tensor : wanted) {
      dictionary.tensors.push_back(source_tensor(naming, model, tensor.name));
    }
  }
  return all;
}

// A dictionary, and the beginning, up to a dot, without which most names of the file are in it, such as "module.".
struct Reading {
  Dictionary dictionary;
  std::string prefix;
  Names names;
  size_t hits = 0;

  bool is_likely() const { return hits > 0 && 2 * hits >= dictionary.tensors.size(); }
};

std::set<std::string> prefixes_of(const Checkpoint& file) {
  constexpr size_t kMost = 64;
  std::set<std::string> prefixes{""};
  for (const Checkpoint::Tensor& tensor : file.tensors()) {
    size_t dot = tensor.name.find('.');
    for (int level = 0; level < 3 && dot != std::string::npos && prefixes.size() < kMost; ++level) {
      prefixes.insert(tensor.name.substr(0, dot + 1));
      dot = tensor.name.find('.', dot + 1);
    }
  }
  return prefixes;
}

Reading best_reading(const Checkpoint& file, std::string_view model, std::span<const NetworkTensor> wanted) {
  Reading best;
  std::vector<Dictionary> all = dictionaries(model, wanted);
  for (const std::string& prefix : prefixes_of(file)) {
    Names names = names_of(file, prefix);
    for (const Dictionary& dictionary : all) {
      const size_t count = hits(names, dictionary);
      if (best.dictionary.tensors.empty() || count > best.hits) best = {dictionary, prefix, names, count};
    }
  }
  return best;
}

WeightMatch match_names(const Checkpoint& file, std::string_view model, std::span<const NetworkTensor> wanted) {
  const Reading reading = best_reading(file, model, wanted);
  WeightMatch match;
  match.naming = reading.dictionary.naming;
  match.prefix = reading.prefix;
  std::vector<bool> used(file.tensors().size(), false);
  for (size_t w = 0; w < wanted.size(); ++w) {
    const SourceTensor& source = reading.dictionary.tensors[w];
    const std::vector<size_t> places = places_of(reading.names, source);
    if (places.empty()) {
      match.missing.push_back(w);
      continue;
    }
    const Extents shape = without_trailing_ones(part_shape(file, reading.dictionary, wanted[w], source));
    bool fits = true;
    for (const size_t place : places) {
      used[place] = true;
      fits = fits && without_trailing_ones(file.tensors()[place].shape) == shape;
    }
    (fits ? match.pairs : match.misshapen)
        .push_back({w, places, is_transposed(file, match.naming, wanted[w]), source.factor});
  }
  for (size_t f = 0; f < used.size(); ++f) {
    if (!is_floating(file.tensors()[f].type)) {
      ++match.integers;
    } else if (!used[f]) {
      match.unexpected.push_back(f);
    }
  }
  return match;
}

// Tensors that come together: of one module, or of a weight of two or more axes with the vectors that follow it, which
// is a layer with its bias and the norm behind it.
enum class Grouping : uint8_t { layer_and_norm, module };

struct Group {
  std::vector<size_t> members;
  std::vector<Extents> shapes;
};

// weight, bias, running_mean, running_var are the order of a norm, whatever the order in the file.
int rank_in_module(std::string_view name) {
  constexpr std::string_view kLeaves[] = {"weight", "bias", "running_mean", "running_var"};
  const std::string_view leaf = name.substr(name.rfind('.') + 1);
  return static_cast<int>(std::ranges::find(kLeaves, leaf) - std::begin(kLeaves));
}

std::string_view module_of(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

struct Member {
  std::string name;
  Extents shape;
  size_t place = 0;
};

std::vector<Group> groups_of(std::vector<Member> members, Grouping grouping) {
  for (auto begin = members.begin(); begin != members.end();) {
    const std::string module(module_of(begin->name));
    const auto end = std::find_if(begin, members.end(), [&](const Member& m) { return module_of(m.name) != module; });
    std::stable_sort(begin, end,
                     [](const Member& a, const Member& b) { return rank_in_module(a.name) < rank_in_module(b.name); });
    begin = end;
  }
  std::vector<Group> groups;
  std::string_view module;
  for (Member& member : members) {
    const bool begins = grouping == Grouping::module ? module_of(member.name) != module : member.shape.size() > 1;
    if (groups.empty() || begins) groups.emplace_back();
    module = module_of(member.name);
    groups.back().members.push_back(member.place);
    groups.back().shapes.push_back(without_trailing_ones(std::move(member.shape)));
  }
  return groups;
}

std::string to_string(const std::vector<Extents>& shapes) {
  std::vector<std::string> texts;
  for (const Extents& shape : shapes) texts.push_back(shape.empty() ? "1" : fmt::format("{}", fmt::join(shape, "x")));
  return fmt::format("{}", fmt::join(texts, ", "));
}

using Pairing = std::vector<std::pair<size_t, size_t>>;

// Pairs of groups, or why there is doubt.
std::string pair_groups(const std::vector<Group>& wanted, const std::vector<Group>& found, Pairing& pairs) {
  std::map<std::vector<Extents>, std::pair<std::vector<size_t>, std::vector<size_t>>> places;
  for (size_t i = 0; i < wanted.size(); ++i) places[wanted[i].shapes].first.push_back(i);
  for (size_t i = 0; i < found.size(); ++i) places[found[i].shapes].second.push_back(i);
  for (const auto& [shapes, place] : places) {
    if (place.first.size() != place.second.size()) {
      return fmt::format("the network has {} of [{}], the file {}", place.first.size(), to_string(shapes),
                         place.second.size());
    }
    for (size_t i = 0; i < place.first.size(); ++i) pairs.emplace_back(place.first[i], place.second[i]);
  }
  // Those that occur several times must come in the same order among each other.
  Pairing repeated;
  for (const auto& [w, f] : pairs) {
    if (places[wanted[w].shapes].first.size() > 1) repeated.emplace_back(w, f);
  }
  std::ranges::sort(repeated);
  for (size_t i = 1; i < repeated.size(); ++i) {
    if (repeated[i].second < repeated[i - 1].second) {
      return fmt::format("several of [{}] come in another order than in the network",
                         to_string(wanted[repeated[i].first].shapes));
    }
  }
  return "";
}

// nullopt, and the problem, when order and shapes leave doubt.
std::optional<WeightMatch> match_order(const Checkpoint& file, std::span<const NetworkTensor> wanted,
                                       std::string& problem) {
  if (file.format() == Checkpoint::Format::safetensors) {
    problem = "safetensors files keep no order";
    return std::nullopt;
  }
  WeightMatch match;
  match.by_order = true;
  std::vector<Member> ours, theirs;
  for (size_t w = 0; w < wanted.size(); ++w) ours.push_back({wanted[w].name, shape_in(file, nullptr, wanted[w]), w});
  for (size_t f = 0; f < file.tensors().size(); ++f) {
    const Checkpoint::Tensor& tensor = file.tensors()[f];
    if (!is_floating(tensor.type)) {
      ++match.integers;
    } else {
      theirs.push_back({torch_name(tensor.name), tensor.shape, f});
    }
  }
  // Where norms stand before their layers, only modules come together.
  for (const Grouping grouping : {Grouping::layer_and_norm, Grouping::module}) {
    const std::vector<Group> our_groups = groups_of(ours, grouping), their_groups = groups_of(theirs, grouping);
    Pairing pairs;
    problem = pair_groups(our_groups, their_groups, pairs);
    if (!problem.empty()) continue;
    for (const auto& [w, f] : pairs) {
      for (size_t i = 0; i < our_groups[w].members.size(); ++i) {
        const size_t place = our_groups[w].members[i];
        match.pairs.push_back({place, {their_groups[f].members[i]}, is_transposed(file, nullptr, wanted[place])});
      }
    }
    std::ranges::sort(match.pairs, {}, &WeightMatch::Pair::wanted);
    return match;
  }
  return std::nullopt;
}

}  // namespace

std::vector<NetworkTensor> network_tensors(const Graph& graph, const Graph& wider) {
  std::vector<NetworkTensor> tensors;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (!info.is_variable()) continue;
    const Shape shape = file_shape(info.type.shape, info.layout);
    const Shape other = file_shape(wider.value(wider.named(info.name)).type.shape, info.layout);
    NetworkTensor& tensor =
        tensors.emplace_back(NetworkTensor{info.name, {shape.extents().begin(), shape.extents().end()}, info.layout});
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] != other[axis]) tensor.class_axis = axis;
    }
  }
  return tensors;
}

int64_t classes_of(const Checkpoint& file, std::string_view model, std::span<const NetworkTensor> wanted) {
  const Reading reading = best_reading(file, model, wanted);
  if (reading.is_likely()) {
    for (size_t w = 0; w < wanted.size(); ++w) {
      const std::vector<size_t> places = places_of(reading.names, reading.dictionary.tensors[w]);
      if (wanted[w].class_axis < 0 || places.empty()) continue;
      const bool turned = is_transposed(file, reading.dictionary.naming, wanted[w]);
      const Extents& shape = file.tensors()[places[0]].shape;
      const auto axis = static_cast<size_t>(turned ? 1 - wanted[w].class_axis : wanted[w].class_axis);
      if (axis < shape.size()) return shape[axis];
    }
    return 0;
  }
  for (size_t f = file.tensors().size(); f-- > 0;) {
    const Checkpoint::Tensor& tensor = file.tensors()[f];
    if (!is_floating(tensor.type) || tensor.shape.size() < 2) continue;
    return tensor.shape[file.layout() == SourceLayout::paddle && tensor.shape.size() == 2 ? 1 : 0];
  }
  return 0;
}

WeightMatch match_weights(const Checkpoint& file, std::string_view model, std::span<const NetworkTensor> wanted,
                          bool by_order) {
  WeightMatch named = match_names(file, model, wanted);
  if (!by_order) return named;
  if (auto ordered = match_order(file, wanted, named.order_problem)) return *ordered;
  return named;
}

}  // namespace convoy
