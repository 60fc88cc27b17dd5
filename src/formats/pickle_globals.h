// The names of Python that stand for data in a pickle, and what they stand for.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/elements.h"
#include "formats/pickle.h"

namespace convoy {

struct PickleGlobal {
  enum class Meaning : uint8_t {
    other,            // called: an opaque object
    dictionary,       // called: a dictionary of its pairs
    first_argument,   // called: what it is given first, a list or tensor
    latin1_bytes,     // called: bytes of a text, as protocol 2 writes them
    storage,          // the type of a torch storage
    element_type,     // the type of a torch tensor
    torch_tensor,     // called: a tensor on a storage
    torch_tensor_v3,  // called: a tensor of a type that storages do not have
    torch_subclass,   // called: what its first argument makes of its third
    array_shell,      // called: an array whose state follows
    array_of_buffer,  // called: an array of bytes, as protocol 5 writes them
    array_scalar,     // called: a tensor of rank 0
    array_type,       // called: an element type
  };
  std::string_view module, name;
  Meaning meaning;
  DType type = DType::f32;  // of a storage or element_type
};

// nullptr for every name that is not on the list.
const PickleGlobal* find_pickle_global(std::string_view module, std::string_view name);

// What the call torch._utils._rebuild_tensor_v2(*arguments) gives. Throws Error when they are not of that form.
PickleTensor torch_tensor(const Pickle& pickle, const PickleList& arguments);
// torch._utils._rebuild_tensor_v3(*arguments), whose storage counts bytes; likewise.
PickleTensor torch_tensor_v3(const Pickle& pickle, const PickleList& arguments);
// What torch's persistent id ('storage', type, key, location, elements, ...) stands for; likewise.
PickleStorage torch_storage(const Pickle& pickle, const PickleList& id);
// The element type of numpy.dtype(*arguments); likewise.
DType array_type(const Pickle& pickle, const PickleList& arguments);
// Throws Error for a type whose state (version, byte order, ...) is not little endian.
void check_array_type_state(const Pickle& pickle, const PickleList& state);
// An array of the state (version, shape, type, column-major, bytes) of numpy.ndarray; likewise.
PickleTensor array_of_state(const Pickle& pickle, const PickleList& state);
// What numpy's _frombuffer(bytes, type, shape, order) gives; likewise.
PickleTensor array_of_buffer(const Pickle& pickle, const PickleList& arguments);
// What numpy's scalar(type, bytes) gives; likewise.
PickleTensor array_scalar(const Pickle& pickle, const PickleList& arguments);

}  // namespace convoy
