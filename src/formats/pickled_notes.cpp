#include "formats/pickled_notes.h"

#include <optional>
#include <string>

#include "formats/pickled_module.h"

namespace convoy {
namespace {

using nlohmann::json;

constexpr int kDeepest = 6;
constexpr int kMostValues = 100'000;
constexpr size_t kLongestText = 10'000;

class Converter {
 public:
  explicit Converter(const Pickle& pickle) : pickle_(pickle) {}

  // nullopt for what is left out.
  std::optional<json> convert(PickleId id, int depth) {
    if (depth > kDeepest || --left_ < 0) return std::nullopt;
    if (pickle_.get<std::monostate>(id) != nullptr) return json(nullptr);
    if (const auto* value = pickle_.get<bool>(id)) return json(*value);
    if (const auto* value = pickle_.get<int64_t>(id)) return json(*value);
    if (const auto* value = pickle_.get<double>(id)) return json(*value);
    if (const auto text = pickle_.text(id)) {
      return text->size() > kLongestText ? std::nullopt : std::optional(json(std::string(*text)));
    }
    if (const auto* list = pickle_.get<PickleList>(id)) {
      json items = json::array();
      for (const PickleId item : list->items) {
        if (left_ <= 0) break;
        if (auto value = convert(item, depth + 1)) items.push_back(std::move(*value));
      }
      return items;
    }
    if (const PickleDict* dict = dictionary_in(pickle_, id)) return object(*dict, depth);
    if (const PickleDict* attributes = attributes_in(pickle_, id)) return object(*attributes, depth);
    return std::nullopt;
  }

 private:
  std::optional<std::string> key_of(PickleId id) const {
    if (const auto text = pickle_.text(id)) {
      return text->starts_with('_') || text->size() > kLongestText ? std::nullopt : std::optional(std::string(*text));
    }
    const auto* number = pickle_.get<int64_t>(id);
    return number == nullptr ? std::nullopt : std::optional(std::to_string(*number));
  }

  json object(const PickleDict& dict, int depth) {
    json members = json::object();
    for (const auto& [key, item] : dict.items) {
      if (--left_ < 0) break;
      const auto name = key_of(key);
      if (!name) continue;
      if (auto value = convert(item, depth + 1)) members[*name] = std::move(*value);
    }
    return members;
  }

  const Pickle& pickle_;
  int left_ = kMostValues;
};

}  // namespace

json pickled_notes(const Pickle& pickle) {
  return Converter(pickle).convert(pickle.root(), 0).value_or(json::object());
}

}  // namespace convoy
