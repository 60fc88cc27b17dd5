// Python's pickle format (protocols 2 to 4), as far as checkpoints need it: it builds data and runs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "formats/stored_type.h"

namespace convoy {

struct PickleGlobal;  // formats/pickle_globals.h

// Values refer to each other by their place in the pickle, since lists may hold themselves.
using PickleId = int32_t;

struct PickleList {  // a list or a tuple
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
  StoredType type = StoredType::f32;
  std::string_view key;
  int64_t elements = 0;
};

// The elements of a tensor lie `strides` apart (counted in elements, from `offset`) in `storage`, or in `bytes` where
// its key is empty. Nothing of this has been checked against the memory that is really there.
struct PickleTensor {
  StoredType type = StoredType::f32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  int64_t offset = 0;
  PickleStorage storage;
  std::span<const std::byte> bytes;
};

// A NumPy array or type before its state is set.
struct PickleArrayShell {};

using PickleValue =
    std::variant<std::monostate, bool, int64_t, double, std::string_view, PickleBytes, PickleList, PickleDict,
                 PickleTensor, PickleStorage, StoredType, PickleArrayShell, const PickleGlobal*>;

// A pickle that was read as a whole. Views in its values point into the bytes that it was made of, or into the Pickle.
class Pickle {
 public:
  // Reads the first pickle in `bytes`, which must outlive the object. Throws Error for a damaged pickle, for one that
  // takes much more memory than its bytes, and for one that asks for anything but what PickleValue lists: it is named,
  // and nothing of it is run.
  explicit Pickle(std::span<const std::byte> bytes);

  PickleId root() const { return root_; }
  // All that was built, also on the way.
  const std::vector<PickleValue>& values() const { return values_; }
  const PickleValue& at(PickleId id) const { return values_[static_cast<size_t>(id)]; }
  // nullptr when the value is of another kind.
  template <class Kind>
  const Kind* get(PickleId id) const {
    return std::get_if<Kind>(&at(id));
  }
  // The value under a text key of a dictionary; -1 when there is none.
  PickleId find(const PickleDict& dict, std::string_view key) const;
  // Bytes that the pickle takes of those given.
  size_t size() const { return size_; }

 private:
  friend class PickleMachine;

  std::vector<PickleValue> values_;
  std::deque<std::vector<std::byte>> decoded_;  // bytes that were written as text
  PickleId root_ = -1;
  size_t size_ = 0;
};

}  // namespace convoy
