#include "formats/pickled_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "convoy/error.h"
#include "core/text.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

// Where training programs keep weights, the likeliest first. A moving average is what its run was validated with.
constexpr std::array<std::string_view, 12> kUsualKeys = {
    "state_dict_ema", "model_ema", "ema_state_dict", "ema",    "state_dict", "model_state_dict", "model",
    "network",        "net",       "weights",        "params", "module"};

// A tensor, or Paddle's pair of a name and a tensor; nullptr for anything else.
const PickleTensor* tensor_of(const Pickle& pickle, PickleId id) {
  if (const auto* pair = pickle.get<PickleList>(id);
      pair != nullptr && pair->items.size() == 2 && pickle.get<std::string_view>(pair->items[0]) != nullptr) {
    id = pair->items[1];
  }
  return pickle.get<PickleTensor>(id);
}

struct Candidate {
  std::string key;
  const PickleDict* dict = nullptr;
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

// Adds the dictionary and those in it that hold tensors, each once.
void collect(const Pickle& pickle, PickleId id, const std::string& key, int depth, std::set<PickleId>& seen,
             std::vector<Candidate>& found) {
  constexpr int kDeepest = 4;
  constexpr size_t kMost = 10'000;  // an optimizer may have one a parameter
  const auto* dict = pickle.get<PickleDict>(id);
  if (dict == nullptr || depth > kDeepest || !seen.insert(id).second) return;
  const auto tensors =
      std::ranges::count_if(dict->items, [&](const auto& item) { return tensor_of(pickle, item.second) != nullptr; });
  if (tensors > 0) found.push_back({key, dict, static_cast<size_t>(tensors)});
  if (found.size() > kMost) throw Error(fmt::format("holds more than {} dictionaries of tensors", kMost));
  for (const auto& [name, value] : dict->items) {
    const auto* text = pickle.get<std::string_view>(name);
    if (text == nullptr || text->size() > 1000) continue;
    collect(pickle, value, key.empty() ? std::string(*text) : fmt::format("{}.{}", key, *text), depth + 1, seen, found);
  }
}

const Candidate& choose(const std::vector<Candidate>& candidates, const std::string& key) {
  if (!key.empty()) {
    const auto found = std::ranges::find(candidates, key, &Candidate::key);
    if (found != candidates.end()) return *found;
    std::vector<std::string> keys;
    for (const Candidate& candidate : candidates) keys.push_back(candidate.key);
    throw Error(unknown_name("dictionary of tensors", key, keys));
  }
  if (candidates.empty()) throw Error("holds no dictionary of tensors");
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

// The last element that a tensor of at least one element reaches.
int64_t last_element(const PickleTensor& tensor) {
  int64_t last = tensor.offset;
  for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    int64_t step = 0;
    if (__builtin_mul_overflow(tensor.shape[axis] - 1, tensor.strides[axis], &step) ||
        __builtin_add_overflow(last, step, &last)) {
      throw Error("reaches beyond its data");
    }
  }
  return last;
}

bool is_dense(const PickleTensor& tensor) {
  int64_t next = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0;) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != next) return false;
    next *= tensor.shape[axis];
  }
  return true;
}

}  // namespace

PickledWeights find_pickled_weights(const Pickle& pickle, const std::string& key) {
  std::vector<Candidate> candidates;
  std::set<PickleId> seen;
  collect(pickle, pickle.root(), "", 0, seen, candidates);
  const Candidate& chosen = choose(candidates, key);
  PickledWeights weights{.key = chosen.key, .other_keys = {}, .tensors = {}};
  for (const Candidate& candidate : candidates) {
    if (&candidate != &chosen && !candidate.key.empty()) weights.other_keys.push_back(candidate.key);
  }
  std::map<std::string_view, size_t> places;
  for (const auto& [name, value] : chosen.dict->items) {
    const auto* text = pickle.get<std::string_view>(name);
    if (text != nullptr && *text == "UnpackBigParamInfor@@") {
      throw Error("holds tensors in pieces, as paddle.save writes them with protocol 2 or 3; use its protocol 4");
    }
    const PickleTensor* tensor = tensor_of(pickle, value);
    if (text == nullptr || tensor == nullptr) continue;
    const auto [place, is_new] = places.emplace(*text, weights.tensors.size());
    if (is_new) {
      weights.tensors.push_back({std::string(*text), *tensor});
    } else {
      weights.tensors[place->second].tensor = *tensor;  // a key that is set twice
    }
  }
  return weights;
}

std::vector<float> pickled_floats(const PickleTensor& tensor,
                                  const std::function<std::span<const std::byte>(const PickleStorage&)>& storage) {
  const std::span<const std::byte> bytes = tensor.storage.key.empty() ? tensor.bytes : storage(tensor.storage);
  const auto available = static_cast<int64_t>(bytes.size() / static_cast<size_t>(size_of(tensor.type)));
  int64_t elements = 1;
  for (const int64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(elements, extent, &elements)) throw Error("has more than 2^63 elements");
  }
  if (elements == 0) return {};
  if (elements > available || last_element(tensor) >= available) throw Error("reaches beyond its data");
  const auto count = static_cast<size_t>(elements);
  const auto numbers = [&](size_t first, size_t length) {
    const auto size = static_cast<size_t>(size_of(tensor.type));
    std::vector<float> result(length);
    for_each_element(tensor.type, bytes.subspan(first * size, length * size),
                     [&](size_t i, auto value) { result[i] = static_cast<float>(value); });
    return result;
  };
  if (is_dense(tensor)) return numbers(static_cast<size_t>(tensor.offset), count);
  const std::vector<float> all = numbers(0, static_cast<size_t>(available));
  std::vector<float> values;
  values.reserve(count);
  std::vector<int64_t> index(tensor.shape.size(), 0);
  for (int64_t at = tensor.offset; values.size() < count;) {
    values.push_back(all[static_cast<size_t>(at)]);
    for (size_t axis = index.size(); axis-- > 0;) {
      if (tensor.shape[axis] == 1) continue;  // its stride may be anything
      at += tensor.strides[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      at -= tensor.strides[axis] * tensor.shape[axis];
      index[axis] = 0;
    }
  }
  return values;
}

}  // namespace convoy
