#include "formats/pickled_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "convoy/error.h"
#include "core/text.h"
#include "formats/pickled_module.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

// Where training programs keep weights, the likeliest first. A moving average is what its run was validated with.
constexpr std::array<std::string_view, 12> kUsualKeys = {
    "state_dict_ema", "model_ema", "ema_state_dict", "ema",    "state_dict", "model_state_dict", "model",
    "network",        "net",       "weights",        "params", "module"};

// What paddle.save adds to the weights of a network.
constexpr std::string_view kPaddleNames = "StructuredToParameterName@@";

// Paddle's form of a tensor within other data: its name and its numbers.
bool is_named_pair(const Pickle& pickle, PickleId id) {
  const auto* pair = pickle.get<PickleList>(id);
  return pair != nullptr && pair->items.size() == 2 && pickle.get<std::string_view>(pair->items[0]) != nullptr &&
         pickle.get<PickleTensor>(pair->items[1]) != nullptr;
}

// nullptr for anything but a tensor.
const PickleTensor* tensor_of(const Pickle& pickle, PickleId id) {
  return pickle.get<PickleTensor>(is_named_pair(pickle, id) ? pickle.get<PickleList>(id)->items[1] : id);
}

struct Candidate {
  std::string key;
  PickleId id = -1;  // a dictionary or a module
  size_t tensors = 0;

  // Its place among the usual keys.
  size_t rank() const {
    size_t best = kUsualKeys.size();
    for (size_t begin = 0; begin <= key.size();) {
      const size_t end = std::min(key.find('.', begin), key.size());
      const auto found = std::ranges::find(kUsualKeys, std::string_view(key).substr(begin, end - begin));
      best = std::min(best, static_cast<size_t>(found - kUsualKeys.begin()));
      begin = end + 1;
    }
    return best;
  }
};

constexpr int64_t kMostAttributes = 10'000'000;  // looked at in modules

// Calls visit(name, value) with what may be tensors of a dictionary or, under its full name, of a module.
void for_each_entry(const Pickle& pickle, PickleId id, int64_t& budget, const PickledEntryVisitor& visit) {
  if (is_module(pickle, id)) {
    visit_module(pickle, id, budget, visit);
  } else if (const PickleDict* dict = dictionary_in(pickle, id)) {
    for (const auto& [name, value] : dict->items) {
      if (const auto text = pickle.text(name)) visit(*text, value);
    }
  }
}

// Finds the dictionaries and modules that hold tensors, each once.
class Search {
 public:
  explicit Search(const Pickle& pickle) : pickle_(pickle) { collect(pickle.root(), "", 0); }
  const std::vector<Candidate>& found() const { return found_; }

 private:
  void collect(PickleId id, const std::string& key, int depth) {
    constexpr int kDeepest = 4;
    constexpr size_t kMost = 10'000;  // an optimizer may have one a parameter
    const PickleDict* dict = dictionary_in(pickle_, id);
    const PickleDict* inner = dict == nullptr ? attributes_in(pickle_, id) : dict;
    if (inner == nullptr || depth > kDeepest || !seen_.insert(inner).second) return;
    const bool module = is_module(pickle_, id);
    if (module || dict != nullptr) {
      size_t tensors = 0;
      for_each_entry(pickle_, id, budget_, [&](std::string_view, PickleId value) {
        if (tensor_of(pickle_, value) != nullptr) ++tensors;
      });
      if (tensors > 0) found_.push_back({key, id, tensors});
      if (found_.size() > kMost) throw Error(fmt::format("holds more than {} dictionaries of tensors", kMost));
    }
    if (module) return;
    for (const auto& [name, value] : inner->items) {
      const auto text = pickle_.text(name);
      if (!text || text->size() > 1000) continue;
      collect(value, key.empty() ? std::string(*text) : fmt::format("{}.{}", key, *text), depth + 1);
    }
  }

  const Pickle& pickle_;
  int64_t budget_ = kMostAttributes;
  std::set<const PickleDict*> seen_;
  std::vector<Candidate> found_;
};

// Why the file has no tensors that can be read, where an object that would be one tells.
std::string problem_of_first(const Pickle& pickle) {
  for (const PickleValue& value : pickle.values()) {
    const auto* object = std::get_if<PickleObject>(&value);
    if (object != nullptr && !object->problem.empty()) return "; it holds " + describe(*object);
  }
  for (const PickleValue& value : pickle.values()) {
    const auto* object = std::get_if<PickleObject>(&value);
    if (object != nullptr && !object->name.empty()) return "; it holds " + describe(*object);
  }
  return "";
}

const Candidate& choose(const std::vector<Candidate>& candidates, const std::string& key) {
  if (!key.empty()) {
    const auto found = std::ranges::find(candidates, key, &Candidate::key);
    if (found != candidates.end()) return *found;
    std::vector<std::string> keys;
    for (const Candidate& candidate : candidates) keys.push_back(candidate.key);
    throw Error(unknown_name("dictionary of tensors", key, keys));
  }
  const auto likely = std::ranges::min_element(candidates, {}, &Candidate::rank);
  // A number beside the weights, as the metric of timm's checkpoints, is a tensor, too.
  const bool at_top = candidates.front().key.empty() && candidates.front().tensors >= likely->tensors;
  if (at_top || candidates.size() == 1) return candidates.front();
  if (likely->rank() < kUsualKeys.size()) return *likely;
  std::vector<std::string> keys;
  for (const Candidate& candidate : candidates) keys.push_back(quote_name(candidate.key));
  constexpr size_t kMost = 5;
  const size_t more = keys.size() > kMost ? keys.size() - kMost : 0;
  keys.resize(keys.size() - more);
  throw Error(fmt::format("holds several dictionaries of tensors: {}{}; name the one to use", fmt::join(keys, ", "),
                          more > 0 ? fmt::format(" and {} more", more) : ""));
}

}  // namespace

std::string describe(const PickleObject& object) {
  const std::string name =
      quote_name(fmt::format("{}{}{}", object.module, object.module.empty() ? "" : ".", object.name));
  return fmt::format("an object of {}{}{}", name, object.problem.empty() ? "" : ": ", object.problem);
}

PickledWeights find_pickled_weights(const Pickle& pickle, const std::string& key) {
  const Search search(pickle);
  if (search.found().empty()) {
    throw Error("holds no dictionary of tensors and no network" + problem_of_first(pickle));
  }
  const Candidate& chosen = choose(search.found(), key);
  PickledWeights weights{.key = chosen.key, .other_keys = {}, .tensors = {}, .unread = {}};
  for (const Candidate& candidate : search.found()) {
    if (&candidate != &chosen && !candidate.key.empty()) weights.other_keys.push_back(candidate.key);
  }
  std::map<std::string, size_t, std::less<>> places;
  int64_t budget = kMostAttributes;
  for_each_entry(pickle, chosen.id, budget, [&](std::string_view name, PickleId value) {
    if (name == "UnpackBigParamInfor@@") {
      throw Error("holds tensors in pieces, as paddle.save writes them with protocol 2 or 3; use its protocol 4");
    }
    if (name == kPaddleNames || name.ends_with("._mean") || is_named_pair(pickle, value)) weights.by_paddle = true;
    const PickleTensor* tensor = tensor_of(pickle, value);
    if (tensor == nullptr) {
      const auto* object = pickle.get<PickleObject>(value);
      const bool may_be_tensor = object != nullptr && (!object->problem.empty() || name.find('.') != name.npos);
      if (may_be_tensor) weights.unread.push_back(fmt::format("{} is {}", quote_name(name), describe(*object)));
      return;
    }
    const auto [place, is_new] = places.emplace(name, weights.tensors.size());
    if (is_new) {
      weights.tensors.push_back({std::string(name), *tensor});
    } else {
      weights.tensors[place->second].tensor = *tensor;  // a key that is set twice
    }
  });
  return weights;
}

}  // namespace convoy
