#include "formats/pickled_module.h"

#include <algorithm>
#include <string>

#include "convoy/error.h"

namespace convoy {
namespace {

constexpr std::string_view kParameters = "_parameters", kModules = "_modules";

const PickleDict* attribute(const Pickle& pickle, const PickleDict& attributes, std::string_view name) {
  const PickleId id = pickle.find(attributes, name);
  return id < 0 ? nullptr : dictionary_in(pickle, id);
}

class Walk {
 public:
  Walk(const Pickle& pickle, int64_t& budget, const PickledEntryVisitor& visit)
      : pickle_(pickle), budget_(budget), visit_(visit) {}

  void module(PickleId id, const std::string& prefix, int depth) {
    constexpr int kDeepest = 64;
    if (depth > kDeepest) throw Error("holds modules that are nested too deeply");
    const PickleDict& attributes = *attributes_in(pickle_, id);
    spend(attributes.items.size());
    entries(attribute(pickle_, attributes, kParameters), prefix, nullptr);
    const PickleId left_out = pickle_.find(attributes, "_non_persistent_buffers_set");
    entries(attribute(pickle_, attributes, "_buffers"), prefix,
            left_out < 0 ? nullptr : pickle_.get<PickleList>(left_out));
    const PickleDict& modules = *attribute(pickle_, attributes, kModules);
    spend(modules.items.size());
    for (const auto& [key, value] : modules.items) {
      const auto name = pickle_.text(key);
      const PickleDict* inner = name ? attributes_in(pickle_, value) : nullptr;
      if (inner == nullptr) continue;
      spend(inner->items.size());
      if (is_module(pickle_, value)) module(value, full_name(prefix, *name) + ".", depth + 1);
    }
  }

 private:
  void entries(const PickleDict* dict, const std::string& prefix, const PickleList* left_out) {
    if (dict == nullptr) return;
    spend(dict->items.size() * (1 + (left_out == nullptr ? 0 : left_out->items.size())));
    for (const auto& [key, value] : dict->items) {
      const auto name = pickle_.text(key);
      if (!name || pickle_.get<std::monostate>(value) != nullptr) continue;
      const bool skip = left_out != nullptr &&
                        std::ranges::any_of(left_out->items, [&](PickleId item) { return pickle_.text(item) == name; });
      if (!skip) visit_(full_name(prefix, *name), value);
    }
  }

  static std::string full_name(const std::string& prefix, std::string_view name) {
    constexpr size_t kLongest = 1000;
    if (prefix.size() + name.size() > kLongest) throw Error("holds a module with a name that is too long");
    return prefix + std::string(name);
  }

  void spend(size_t attributes) {
    if (attributes > static_cast<size_t>(budget_)) throw Error("holds modules without end");
    budget_ -= static_cast<int64_t>(attributes);
  }

  const Pickle& pickle_;
  int64_t& budget_;
  const PickledEntryVisitor& visit_;
};

}  // namespace

const PickleDict* dictionary_in(const Pickle& pickle, PickleId id) {
  if (const auto* dict = pickle.get<PickleDict>(id)) return dict;
  const auto* object = pickle.get<PickleObject>(id);
  return object == nullptr || object->items.items.empty() ? nullptr : &object->items;
}

const PickleDict* attributes_in(const Pickle& pickle, PickleId id) {
  const auto* object = pickle.get<PickleObject>(id);
  if (object == nullptr) return nullptr;
  if (object->state >= 0) {
    // With slots, a pair of two dictionaries.
    const auto* pair = pickle.get<PickleList>(object->state);
    return pickle.get<PickleDict>(pair != nullptr && pair->items.size() == 2 ? pair->items[0] : object->state);
  }
  // A function that makes an object of its attributes, as torch.fx writes them.
  const auto* arguments = object->arguments < 0 ? nullptr : pickle.get<PickleList>(object->arguments);
  return arguments == nullptr || arguments->items.empty() ? nullptr : pickle.get<PickleDict>(arguments->items[0]);
}

bool is_module(const Pickle& pickle, PickleId id) {
  const PickleDict* attributes = attributes_in(pickle, id);
  return attributes != nullptr && attribute(pickle, *attributes, kParameters) != nullptr &&
         attribute(pickle, *attributes, kModules) != nullptr;
}

void visit_module(const Pickle& pickle, PickleId module, int64_t& budget, const PickledEntryVisitor& visit) {
  Walk(pickle, budget, visit).module(module, "", 0);
}

}  // namespace convoy
