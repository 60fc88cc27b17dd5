#include "formats/pickle_globals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "convoy/error.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

using Meaning = PickleGlobal::Meaning;

constexpr PickleGlobal kGlobals[] = {
    {"collections", "OrderedDict", Meaning::dictionary},
    {"builtins", "tuple", Meaning::first_argument},
    {"builtins", "set", Meaning::first_argument},
    {"builtins", "frozenset", Meaning::first_argument},
    {"__builtin__", "tuple", Meaning::first_argument},
    {"__builtin__", "set", Meaning::first_argument},
    {"__builtin__", "frozenset", Meaning::first_argument},
    {"torch", "Size", Meaning::first_argument},
    {"_codecs", "encode", Meaning::latin1_bytes},
    {"torch", "DoubleStorage", Meaning::storage, DType::f64},
    {"torch", "FloatStorage", Meaning::storage, DType::f32},
    {"torch", "HalfStorage", Meaning::storage, DType::f16},
    {"torch", "BFloat16Storage", Meaning::storage, DType::bf16},
    {"torch", "LongStorage", Meaning::storage, DType::i64},
    {"torch", "IntStorage", Meaning::storage, DType::i32},
    {"torch", "ShortStorage", Meaning::storage, DType::i16},
    {"torch", "CharStorage", Meaning::storage, DType::i8},
    {"torch", "ByteStorage", Meaning::storage, DType::u8},
    {"torch", "BoolStorage", Meaning::storage, DType::boolean},
    {"torch.storage", "UntypedStorage", Meaning::storage, DType::u8},
    {"torch", "float8_e4m3fn", Meaning::element_type, DType::f8_e4m3},
    {"torch", "float8_e5m2", Meaning::element_type, DType::f8_e5m2},
    {"torch", "uint16", Meaning::element_type, DType::u16},
    {"torch", "uint32", Meaning::element_type, DType::u32},
    {"torch", "uint64", Meaning::element_type, DType::u64},
    {"torch._utils", "_rebuild_tensor", Meaning::torch_tensor},
    {"torch._utils", "_rebuild_tensor_v2", Meaning::torch_tensor},
    {"torch._utils", "_rebuild_tensor_v3", Meaning::torch_tensor_v3},
    {"torch._utils", "_rebuild_parameter", Meaning::first_argument},
    {"torch._utils", "_rebuild_parameter_with_state", Meaning::first_argument},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", Meaning::first_argument},
    {"torch._tensor", "_rebuild_from_type", Meaning::torch_subclass},
    {"torch._tensor", "_rebuild_from_type_v2", Meaning::torch_subclass},
    {"numpy", "dtype", Meaning::array_type},
    {"numpy.core.multiarray", "_reconstruct", Meaning::array_shell},
    {"numpy._core.multiarray", "_reconstruct", Meaning::array_shell},
    {"numpy.core.numeric", "_frombuffer", Meaning::array_of_buffer},
    {"numpy._core.numeric", "_frombuffer", Meaning::array_of_buffer},
    {"numpy.core.multiarray", "scalar", Meaning::array_scalar},
    {"numpy._core.multiarray", "scalar", Meaning::array_scalar},
};

struct ArrayType {
  std::string_view name;
  DType type;
};
// NumPy has no bfloat16: Paddle writes the bits of one as an unsigned integer.
constexpr ArrayType kArrayTypes[] = {{"f8", DType::f64},  {"f4", DType::f32}, {"f2", DType::f16},
                                     {"u2", DType::bf16}, {"i8", DType::i64}, {"i4", DType::i32},
                                     {"i2", DType::i16},  {"i1", DType::i8},  {"u8", DType::u64},
                                     {"u4", DType::u32},  {"u1", DType::u8},  {"b1", DType::boolean}};

// The i-th item, which must be of this kind.
template <class Kind>
const Kind& item(const Pickle& pickle, const PickleList& list, size_t i, std::string_view owner) {
  const Kind* found = i < list.items.size() ? pickle.get<Kind>(list.items[i]) : nullptr;
  if (found == nullptr) throw Error(fmt::format("{} is not written as expected (its part {})", owner, i));
  return *found;
}

// Bytes, or the text that they are in Python 2.
std::span<const std::byte> raw_bytes(const Pickle& pickle, const PickleList& list, size_t i, std::string_view owner) {
  const auto found = i < list.items.size() ? pickle.text(list.items[i]) : std::nullopt;
  if (!found) throw Error(fmt::format("{} is not written as expected (its part {})", owner, i));
  return std::as_bytes(std::span(*found));
}

std::vector<int64_t> sizes(const Pickle& pickle, const PickleList& list, std::string_view owner) {
  constexpr size_t kHighestRank = 16;
  if (list.items.size() > kHighestRank) {
    throw Error(fmt::format("{} has {} dimensions, expected at most {}", owner, list.items.size(), kHighestRank));
  }
  std::vector<int64_t> values;
  for (size_t i = 0; i < list.items.size(); ++i) {
    values.push_back(item<int64_t>(pickle, list, i, owner));
    if (values.back() < 0) throw Error(fmt::format("{} has the size or stride {}", owner, values.back()));
  }
  return values;
}

// Dense strides, the last axis fastest, or the first.
std::vector<int64_t> dense_strides(const std::vector<int64_t>& shape, bool column_major) {
  std::vector<int64_t> strides(shape.size());
  int64_t next = 1;
  for (size_t k = 0; k < shape.size(); ++k) {
    const size_t axis = column_major ? k : shape.size() - 1 - k;
    strides[axis] = next;
    if (__builtin_mul_overflow(next, shape[axis], &next)) throw Error("an array has more than 2^63 elements");
  }
  return strides;
}

}  // namespace

const PickleGlobal* find_pickle_global(std::string_view module, std::string_view name) {
  for (const PickleGlobal& global : kGlobals) {
    if (global.module == module && global.name == name) return &global;
  }
  return nullptr;
}

PickleTensor torch_tensor(const Pickle& pickle, const PickleList& arguments) {
  constexpr std::string_view kOwner = "a tensor";
  PickleTensor tensor;
  tensor.storage = item<PickleStorage>(pickle, arguments, 0, kOwner);
  tensor.type = tensor.storage.type;
  tensor.offset = item<int64_t>(pickle, arguments, 1, kOwner);
  tensor.shape = sizes(pickle, item<PickleList>(pickle, arguments, 2, kOwner), kOwner);
  tensor.strides = sizes(pickle, item<PickleList>(pickle, arguments, 3, kOwner), kOwner);
  if (tensor.offset < 0 || tensor.strides.size() != tensor.shape.size()) {
    throw Error("a tensor's offset, shape and strides do not agree");
  }
  return tensor;
}

PickleTensor torch_tensor_v3(const Pickle& pickle, const PickleList& arguments) {
  constexpr size_t kType = 6;
  PickleTensor tensor = torch_tensor(pickle, arguments);
  const PickleGlobal* type = item<const PickleGlobal*>(pickle, arguments, kType, "a tensor");
  if (type->meaning != Meaning::element_type) {
    throw Error(fmt::format("a tensor of type {} is not supported", quote_name(type->name)));
  }
  tensor.type = tensor.storage.type = type->type;
  tensor.storage.elements /= size_of(type->type);
  return tensor;
}

PickleStorage torch_storage(const Pickle& pickle, const PickleList& id) {
  constexpr std::string_view kOwner = "a storage";
  if (item<std::string_view>(pickle, id, 0, kOwner) != "storage") throw Error("an outside object is no storage");
  const PickleGlobal* type = item<const PickleGlobal*>(pickle, id, 1, kOwner);
  if (type->meaning != Meaning::storage) throw Error("a storage has no type");
  PickleStorage storage{type->type, item<std::string_view>(pickle, id, 2, kOwner),
                        item<int64_t>(pickle, id, 4, kOwner)};
  if (storage.key.empty() || storage.elements < 0) throw Error("a storage has no key or a size below 0");
  const bool is_view = id.items.size() > 5 && pickle.get<std::monostate>(id.items[5]) == nullptr;
  if (is_view) throw Error("a storage that is part of another, as torch before 0.4 wrote it, is not supported");
  return storage;
}

DType array_type(const Pickle& pickle, const PickleList& arguments) {
  constexpr std::string_view kOwner = "an array's type";
  if (arguments.items.empty() || !pickle.text(arguments.items[0])) {
    throw Error(fmt::format("{} is not written as expected", kOwner));
  }
  std::string_view name = *pickle.text(arguments.items[0]);
  if (!name.empty() && std::string_view("<|=").find(name[0]) != std::string_view::npos) name.remove_prefix(1);
  for (const ArrayType& candidate : kArrayTypes) {
    if (candidate.name == name) return candidate.type;
  }
  throw Error(fmt::format("arrays of type {} are not supported", quote_name(name)));
}

void check_array_type_state(const Pickle& pickle, const PickleList& state) {
  const auto order = state.items.size() > 1 ? pickle.text(state.items[1]) : std::nullopt;
  if (order != "<" && order != "|" && order != "=") throw Error("arrays are not stored in little-endian order");
}

PickleTensor array_of_state(const Pickle& pickle, const PickleList& state) {
  constexpr std::string_view kOwner = "an array";
  PickleTensor tensor;
  tensor.shape = sizes(pickle, item<PickleList>(pickle, state, 1, kOwner), kOwner);
  tensor.type = item<DType>(pickle, state, 2, kOwner);
  tensor.strides = dense_strides(tensor.shape, item<bool>(pickle, state, 3, kOwner));
  tensor.bytes = raw_bytes(pickle, state, 4, kOwner);
  return tensor;
}

PickleTensor array_of_buffer(const Pickle& pickle, const PickleList& arguments) {
  constexpr std::string_view kOwner = "an array";
  PickleTensor tensor;
  tensor.bytes = raw_bytes(pickle, arguments, 0, kOwner);
  tensor.type = item<DType>(pickle, arguments, 1, kOwner);
  tensor.shape = sizes(pickle, item<PickleList>(pickle, arguments, 2, kOwner), kOwner);
  const std::string_view order = item<std::string_view>(pickle, arguments, 3, kOwner);
  if (order != "C" && order != "F") throw Error(fmt::format("an array's order is {}", quote_name(order)));
  tensor.strides = dense_strides(tensor.shape, order == "F");
  return tensor;
}

PickleTensor array_scalar(const Pickle& pickle, const PickleList& arguments) {
  PickleTensor tensor;
  tensor.type = item<DType>(pickle, arguments, 0, "a number");
  tensor.bytes = raw_bytes(pickle, arguments, 1, "a number");
  return tensor;
}

}  // namespace convoy
