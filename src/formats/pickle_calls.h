// What a pickle's calls stand for. Nothing is called: known names make data, and all others opaque objects.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "formats/pickle.h"
#include "formats/pickle_globals.h"

namespace convoy {

class PickleCalls {
 public:
  // most_copied: bytes or items that may be made of values that the pickle keeps.
  PickleCalls(Pickle& pickle, size_t most_copied) : pickle_(pickle), copies_left_(most_copied) {}

  // A new value, or one that was there.
  using Result = std::variant<PickleValue, PickleId>;

  const PickleGlobal* global(std::string_view module, std::string_view name);
  // What calling `function` with a list of arguments gives. Throws Error for a pickle that copies again and again.
  Result call(PickleId function, PickleId arguments);
  // A storage of torch's, or a class, which the form from before torch 1.6 writes with its source text.
  Result persistent(PickleId id);
  // Sets the state of a value. Attributes of dictionaries and lists, as torch's _metadata, are left out.
  void set_state(PickleId id, PickleId state);

 private:
  Result call_known(const PickleGlobal& function, const PickleList& arguments);
  Result subclass(const PickleList& arguments);
  std::variant<PickleValue, std::string> dictionary_of(const PickleList& arguments);
  std::variant<PickleValue, std::string> bytes_of_latin1(const PickleList& arguments);
  void count_copies(size_t count);
  PickleObject object(const PickleGlobal& function, PickleId arguments, std::string problem = "");

  Pickle& pickle_;
  size_t copies_left_;
};

}  // namespace convoy
