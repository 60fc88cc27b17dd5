#include "formats/pickle_calls.h"

#include <optional>
#include <span>

#include "convoy/error.h"
#include "formats/pickle_text.h"

namespace convoy {

using Meaning = PickleGlobal::Meaning;
using Result = PickleCalls::Result;

PickleObject PickleCalls::object(const PickleGlobal& function, PickleId arguments, std::string problem) {
  return {.module = function.module,
          .name = function.name,
          .arguments = arguments,
          .items = {},
          .problem = problem.empty() ? std::string_view() : *pickle_.problems_.insert(std::move(problem)).first};
}

const PickleGlobal* PickleCalls::global(std::string_view module, std::string_view name) {
  if (const PickleGlobal* known = find_pickle_global(module, name)) return known;
  return &pickle_.other_names_.emplace_back(PickleGlobal{module, name, Meaning::other});
}

void PickleCalls::count_copies(size_t count) {
  if (count > copies_left_) throw Error("a pickle copies the same value again and again");
  copies_left_ -= count;
}

Result PickleCalls::call(PickleId function, PickleId arguments) {
  const auto* name = pickle_.get<const PickleGlobal*>(function);
  if (name == nullptr) {  // a method, or a function that was made
    const auto* made = pickle_.get<PickleObject>(function);
    return object(
        made == nullptr ? PickleGlobal{"", "", Meaning::other} : PickleGlobal{made->module, made->name, Meaning::other},
        arguments);
  }
  const auto* list = pickle_.get<PickleList>(arguments);
  if ((*name)->meaning == Meaning::other || list == nullptr) return object(**name, arguments);
  // These two may copy, which is limited.
  if ((*name)->meaning == Meaning::dictionary || (*name)->meaning == Meaning::latin1_bytes) {
    auto made = (*name)->meaning == Meaning::dictionary ? dictionary_of(*list) : bytes_of_latin1(*list);
    if (auto* problem = std::get_if<std::string>(&made)) return object(**name, arguments, std::move(*problem));
    return std::move(std::get<PickleValue>(made));
  }
  try {
    return call_known(**name, *list);
  } catch (const Error& problem) {
    return object(**name, arguments, problem.what());
  }
}

Result PickleCalls::call_known(const PickleGlobal& function, const PickleList& arguments) {
  switch (function.meaning) {
    case Meaning::first_argument:
      if (arguments.items.empty()) return PickleList{};
      return arguments.items[0];
    case Meaning::torch_tensor: return torch_tensor(pickle_, arguments);
    case Meaning::torch_tensor_v3: return torch_tensor_v3(pickle_, arguments);
    case Meaning::torch_subclass: return subclass(arguments);
    case Meaning::array_shell: return PickleArrayShell{};
    case Meaning::array_of_buffer: return array_of_buffer(pickle_, arguments);
    case Meaning::array_scalar: return array_scalar(pickle_, arguments);
    case Meaning::array_type: return array_type(pickle_, arguments);
    case Meaning::other:
    case Meaning::dictionary:
    case Meaning::latin1_bytes:
    case Meaning::storage:
    case Meaning::element_type: break;
  }
  throw Error("a type is called as if it were a function");
}

// Of (function, class, arguments, state).
Result PickleCalls::subclass(const PickleList& arguments) {
  const auto* function = arguments.items.size() > 2 ? pickle_.get<const PickleGlobal*>(arguments.items[0]) : nullptr;
  const auto* inner = function == nullptr ? nullptr : pickle_.get<PickleList>(arguments.items[2]);
  const bool is_tensor = inner != nullptr && ((*function)->meaning == Meaning::torch_tensor ||
                                              (*function)->meaning == Meaning::torch_tensor_v3 ||
                                              (*function)->meaning == Meaning::first_argument);
  if (!is_tensor) throw Error("a tensor of a class of its own is not written as expected");
  return call_known(**function, *inner);
}

// Of nothing, or of a list of pairs, as protocol 2 writes ordered dictionaries.
std::variant<PickleValue, std::string> PickleCalls::dictionary_of(const PickleList& arguments) {
  PickleDict dict;
  if (arguments.items.empty()) return dict;
  const auto* pairs = pickle_.get<PickleList>(arguments.items[0]);
  if (pairs == nullptr) return std::string("a dictionary's items are no list");
  count_copies(pairs->items.size());
  for (const PickleId id : pairs->items) {
    const auto* pair = pickle_.get<PickleList>(id);
    if (pair == nullptr || pair->items.size() != 2) return std::string("a dictionary's item is no pair");
    dict.items.emplace_back(pair->items[0], pair->items[1]);
  }
  return dict;
}

std::variant<PickleValue, std::string> PickleCalls::bytes_of_latin1(const PickleList& arguments) {
  const auto text = arguments.items.size() == 2 ? pickle_.text(arguments.items[0]) : std::nullopt;
  if (!text || pickle_.text(arguments.items[1]) != "latin1") return std::string("text is encoded other than as latin1");
  count_copies(text->size());
  std::optional<std::string> bytes = latin1_bytes(*text);
  if (!bytes) return std::string("a text holds characters beyond latin1");
  return PickleBytes{std::as_bytes(std::span(pickle_.decoded_.emplace_back(std::move(*bytes))))};
}

Result PickleCalls::persistent(PickleId id) {
  const auto* parts = pickle_.get<PickleList>(id);
  const bool is_class = parts != nullptr && parts->items.size() > 1 && pickle_.text(parts->items[0]) == "module";
  if (is_class) return parts->items[1];
  try {
    if (parts == nullptr) throw Error("an outside object is no storage");
    return torch_storage(pickle_, *parts);
  } catch (const Error& problem) {
    return object({"torch", "Storage", Meaning::other}, id, problem.what());
  }
}

void PickleCalls::set_state(PickleId id, PickleId state) {
  PickleValue& value = pickle_.values_[static_cast<size_t>(id)];
  if (auto* object = std::get_if<PickleObject>(&value)) {
    object->state = state;
    return;
  }
  const bool is_array = std::holds_alternative<PickleArrayShell>(value);
  if (!is_array && !std::holds_alternative<DType>(value)) return;
  try {
    const auto* parts = pickle_.get<PickleList>(state);
    if (parts == nullptr) throw Error("an array's state is no list");
    if (is_array) {
      value = array_of_state(pickle_, *parts);
    } else {
      check_array_type_state(pickle_, *parts);
    }
  } catch (const Error& problem) {
    value = object({"numpy", is_array ? "ndarray" : "dtype", Meaning::other}, state, problem.what());
  }
}

}  // namespace convoy
