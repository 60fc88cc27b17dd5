// Python's pickle format (protocols 0 to 5): it builds data and runs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "formats/elements.h"

namespace convoy {

struct PickleGlobal;  // formats/pickle_globals.h

// Values refer to each other by their place in the pickle, since lists may hold themselves.
using PickleId = int32_t;

struct PickleList {  // a list, a tuple or a set
  std::vector<PickleId> items;
};

struct PickleDict {
  std::vector<std::pair<PickleId, PickleId>> items;  // in the order in which they were set
};

struct PickleBytes {
  std::span<const std::byte> bytes;
};

// Numbers that torch keeps outside of the pickle.
struct PickleStorage {
  DType type = DType::f32;
  std::string_view key;
  int64_t elements = 0;
};

// The elements of a tensor lie `strides` apart (counted in elements, from `offset`) in `storage`, or in `bytes` where
// its key is empty. Nothing of this has been checked against the memory that is really there.
struct PickleTensor {
  DType type = DType::f32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  int64_t offset = 0;
  PickleStorage storage;
  std::span<const std::byte> bytes;
};

// A NumPy array before its state is set.
struct PickleArrayShell {};

// What Python would make by calling a class or function that is not one of the few known ones. Nothing is called: the
// parts are kept as they stand in the pickle.
struct PickleObject {
  std::string_view module, name;  // of what would be called
  PickleId arguments = -1;        // a list; -1: none
  PickleId state = -1;            // set last; -1: none
  PickleDict items;               // set as those of a dictionary
  std::string_view problem;       // why it is no tensor or array, where it would be one
};

using PickleValue =
    std::variant<std::monostate, bool, int64_t, double, std::string_view, PickleBytes, PickleList, PickleDict,
                 PickleTensor, PickleStorage, DType, PickleArrayShell, PickleObject, const PickleGlobal*>;

// A pickle that was read as a whole. Views in its values point into the bytes that it was made of, or into the Pickle.
class Pickle {
 public:
  // Reads the first pickle in `bytes`, which must outlive the object. Throws Error for a damaged pickle, for one that
  // takes much more memory than its bytes, and for one whose buffers lie outside of it.
  explicit Pickle(std::span<const std::byte> bytes);
  ~Pickle();
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;

  PickleId root() const { return root_; }
  // All that was built, also on the way.
  const std::vector<PickleValue>& values() const { return values_; }
  const PickleValue& at(PickleId id) const { return values_[static_cast<size_t>(id)]; }
  // nullptr when the value is of another kind.
  template <class Kind>
  const Kind* get(PickleId id) const {
    return std::get_if<Kind>(&at(id));
  }
  // A text, or bytes, which the texts of Python 2 are; nullopt for anything else.
  std::optional<std::string_view> text(PickleId id) const;
  // The value under a text key of a dictionary; -1 when there is none.
  PickleId find(const PickleDict& dict, std::string_view key) const;
  // Bytes that the pickle takes of those given.
  size_t size() const { return size_; }

 private:
  friend class PickleMachine;
  friend class PickleCalls;

  std::vector<PickleValue> values_;
  std::deque<std::string> decoded_;       // texts and bytes that were written with escapes
  std::deque<PickleGlobal> other_names_;  // that are not among the known ones
  std::set<std::string> problems_;        // of objects
  PickleId root_ = -1;
  size_t size_ = 0;
};

}  // namespace convoy
