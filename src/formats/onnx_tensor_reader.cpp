#include "formats/onnx_tensor_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>
#include <system_error>
#include <vector>

#include "convoy/error.h"
#include "formats/onnx_fields.h"
#include "formats/strict_json.h"

namespace convoy::onnx {
namespace {

class WrongWire : public protozero::exception {
 public:
  WrongWire(const Message& message, Wire expected)
      : message_(fmt::format("field {} has wire type {}, expected {}", message.tag(),
                             static_cast<uint32_t>(message.wire_type()), static_cast<uint32_t>(expected))) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

void expect(const Message& message, Wire wire) {
  if (message.wire_type() != wire) throw WrongWire(message, wire);
}

}  // namespace

uint64_t integer_in(Message& message) {
  expect(message, Wire::varint);
  return message.get_uint64();
}

float number_in(Message& message) {
  expect(message, Wire::fixed32);
  return message.get_float();
}

std::string_view text_in(Message& message) {
  expect(message, Wire::length_delimited);
  const protozero::data_view view = message.get_view();
  return {view.data(), view.size()};
}

Message message_in(Message& message) {
  const std::string_view text = text_in(message);
  return {text.data(), text.size()};
}

std::pair<std::string_view, std::string_view> read_entry(Message message) {
  std::pair<std::string_view, std::string_view> entry;
  while (message.next()) {
    switch (message.tag()) {
      case kEntryKey: entry.first = text_in(message); break;
      case kEntryValue: entry.second = text_in(message); break;
      default: message.skip();
    }
  }
  return entry;
}

std::string_view numbers_in(Message& message, size_t size_of_one) {
  if (message.wire_type() == Wire::length_delimited) {
    const std::string_view packed = text_in(message);
    if (packed.size() % size_of_one != 0) throw protozero::invalid_length_exception();
    return packed;
  }
  expect(message, size_of_one == sizeof(float) ? Wire::fixed32 : Wire::fixed64);
  const char* begin = message.data().data();
  message.skip();
  return {begin, size_of_one};
}

DType element_type(int32_t number, std::string_view what) {
  if (const std::optional<DType> type = type_of(number)) return *type;
  throw Error(
      fmt::format("{} has elements of ONNX's type {}, expected an integer of 8 to 64 bits, a float of 16 to 64 "
                  "bits, bfloat16, float8e4m3fn, float8e5m2 or bool; convert it",
                  what, number));
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw FileError(fmt::format("cannot open: {}", std::strerror(errno)));
  struct stat status {};
  void* memory = nullptr;
  int problem = ::fstat(descriptor, &status) == 0 ? 0 : errno;
  const bool is_file = S_ISREG(status.st_mode);
  const auto size = static_cast<size_t>(status.st_size);
  if (problem == 0 && is_file && size > 0) {
    memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (memory == MAP_FAILED) problem = errno;
  }
  ::close(descriptor);
  if (problem != 0) throw FileError(fmt::format("cannot read: {}", std::strerror(problem)));
  if (!is_file) throw FileError("is not a file");
  if (size > 0) bytes_ = {static_cast<const std::byte*>(memory), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

// What a TensorProto says of itself, and where its elements lie.
struct TensorParts {
  std::string_view name;
  int32_t type = 0;
  std::vector<int64_t> shape;
  std::optional<std::string_view> bytes;
  Location location = Location::here;
  std::map<std::string, std::string, std::less<>> external;
};

namespace {

TensorParts read_parts(Message message) {
  TensorParts parts;
  while (message.next()) {
    switch (message.tag()) {
      case kTensorShape:
        for_each_integer(message, [&](uint64_t extent) { parts.shape.push_back(static_cast<int64_t>(extent)); });
        break;
      case kTensorType: parts.type = static_cast<int32_t>(integer_in(message)); break;
      case kTensorName: parts.name = text_in(message); break;
      case kTensorBytes: parts.bytes = text_in(message); break;
      case kTensorExternal: parts.external.insert(read_entry(message_in(message))); break;
      case kTensorLocation: parts.location = static_cast<Location>(integer_in(message)); break;
      default: message.skip();
    }
  }
  return parts;
}

size_t bytes_of_shape(const std::vector<int64_t>& shape, DType type) {
  int64_t bytes = size_of(type);
  bool is_empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, std::max<int64_t>(extent, 1), &bytes)) {
      throw Error(fmt::format("has the shape [{}], expected extents from 0 whose product is below 2^63 bytes",
                              fmt::join(shape, ", ")));
    }
    is_empty = is_empty || extent == 0;
  }
  return is_empty ? 0 : static_cast<size_t>(bytes);
}

template <class T>
void append(std::vector<std::byte>& bytes, int64_t value) {
  if (!std::in_range<T>(value)) {
    throw Error(fmt::format("holds {}, expected {} to {}", value, std::numeric_limits<T>::min(),
                            std::numeric_limits<T>::max()));
  }
  const T element = static_cast<T>(value);
  const auto* begin = reinterpret_cast<const std::byte*>(&element);
  bytes.insert(bytes.end(), begin, begin + sizeof(T));
}

using Append = void (*)(std::vector<std::byte>&, int64_t);

// How values in int32_data become elements; null for types whose elements are not there.
Append append_int32(DType type) {
  switch (type) {
    case DType::i8: return append<int8_t>;
    case DType::u8:
    case DType::boolean:
    case DType::f8_e4m3:
    case DType::f8_e5m2: return append<uint8_t>;
    case DType::i16: return append<int16_t>;
    case DType::u16:
    case DType::f16:
    case DType::bf16: return append<uint16_t>;
    case DType::i32: return append<int32_t>;
    default: return nullptr;
  }
}

// Adds what the current field has of the elements.
void append_field(std::vector<std::byte>& bytes, Message& message, DType type) {
  const auto append_numbers = [&](size_t size) {
    const auto numbers = std::as_bytes(std::span(numbers_in(message, size)));
    bytes.insert(bytes.end(), numbers.begin(), numbers.end());
  };
  const Append int32 = append_int32(type);
  switch (message.tag()) {
    case kTensorFloats: return type == DType::f32 ? append_numbers(sizeof(float)) : message.skip();
    case kTensorDoubles: return type == DType::f64 ? append_numbers(sizeof(double)) : message.skip();
    case kTensorInt32s:
      if (int32 == nullptr) return message.skip();
      return for_each_integer(message, [&](uint64_t value) { int32(bytes, static_cast<int32_t>(value)); });
    case kTensorInt64s:
      if (type != DType::i64) return message.skip();
      return for_each_integer(message, [&](uint64_t value) { append<int64_t>(bytes, static_cast<int64_t>(value)); });
    case kTensorUint64s:
      if (type != DType::u64 && type != DType::u32) return message.skip();
      return for_each_integer(message, [&](uint64_t value) {
        (type == DType::u32 ? append<uint32_t> : append<int64_t>)(bytes, static_cast<int64_t>(value));
      });
    default: message.skip();
  }
}

void copy_elements(OnnxTensor& tensor, Message message) {
  const auto bytes = std::make_shared<std::vector<std::byte>>();
  while (message.next()) append_field(*bytes, message, tensor.type);
  tensor.bytes = *bytes;
  tensor.owner = bytes;
}

std::optional<size_t> number_of(const TensorParts& parts, std::string_view key) {
  const auto found = parts.external.find(key);
  if (found == parts.external.end()) return std::nullopt;
  size_t number = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [at, problem] = std::from_chars(found->second.data(), end, number);
  if (problem != std::errc() || at != end) {
    throw Error(
        fmt::format("has external data with the {} {}, expected a number of bytes", key, quote_name(found->second)));
  }
  return number;
}

// Throws unless the location is a relative path that does not climb.
void check_location(const std::filesystem::path& location) {
  const bool climbs = std::find(location.begin(), location.end(), "..") != location.end();
  if (location.empty() || location.is_absolute() || climbs || location.native().find('\0') != std::string::npos) {
    throw FileError("expected the relative path, without \"..\", of a file in the model's folder");
  }
}

// The path without links of a file in `folder`, which has none.
std::filesystem::path resolve(const std::filesystem::path& folder, const std::filesystem::path& location) {
  check_location(location);
  std::error_code problem;
  std::filesystem::path path = std::filesystem::canonical(folder / location, problem);
  if (problem) throw FileError(fmt::format("cannot open: {}", problem.message()));
  const auto [in_folder, in_path] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  if (in_folder != folder.end()) {
    throw FileError("is a link to outside of the model's folder; copy the file there instead");
  }
  return path;
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  std::error_code problem;
  std::filesystem::path folder = std::filesystem::canonical(std::filesystem::absolute(file).parent_path(), problem);
  if (problem) throw FileError(fmt::format("cannot open: {}", problem.message()));
  return folder;
}

}  // namespace

TensorReader::TensorReader(const std::filesystem::path& path)
    : folder_(folder_of(path)), file_(std::make_shared<const MappedFile>(path)) {
  // The bits that protozero keeps of a message's length.
  if (file_size() > std::numeric_limits<uint32_t>::max()) {
    throw FileError(fmt::format("{:.1f} GiB, but an ONNX file can have 2 GiB in all; save its weights as external data",
                                static_cast<double>(file_size()) / (1 << 30)));
  }
}

Message TensorReader::whole_file() const { return {reinterpret_cast<const char*>(file_->bytes().data()), file_size()}; }

const std::shared_ptr<const MappedFile>& TensorReader::external_file(const std::string& location) {
  const auto [found, is_new] = external_files_.try_emplace(location);
  if (is_new) {
    try {
      found->second = std::make_shared<const MappedFile>(resolve(folder_, location));
    } catch (const Error& error) {
      error.rethrow(fmt::format("has external data in {}: {}", quote_name(location), error.what()));
    }
  }
  return found->second;
}

void TensorReader::map_external(OnnxTensor& tensor, const TensorParts& parts, size_t expected) {
  const auto location = parts.external.find("location");
  const auto& file = external_file(location == parts.external.end() ? "" : location->second);
  const size_t offset = number_of(parts, "offset").value_or(0);
  const size_t length = number_of(parts, "length").value_or(expected);
  const size_t size = file->bytes().size();
  if (offset > size || length > size - offset) {
    throw Error(fmt::format("has {} bytes of external data at offset {}, but {} has {} bytes", length, offset,
                            quote_name(location->second), size));
  }
  tensor.bytes = file->bytes().subspan(offset, length);
  tensor.owner = file;
}

void TensorReader::find_bytes(OnnxTensor& tensor, const TensorParts& parts, Message message) {
  const size_t expected = bytes_of_shape(tensor.shape, tensor.type);
  if (parts.location == Location::external) {
    map_external(tensor, parts, expected);
  } else if (parts.location != Location::here) {
    throw Error(fmt::format("has data_location {}, expected 0 or 1", static_cast<int32_t>(parts.location)));
  } else if (parts.bytes) {
    tensor.bytes = std::as_bytes(std::span(*parts.bytes));
    tensor.owner = file_;
  } else {
    copy_elements(tensor, message);
  }
  if (tensor.bytes.size() != expected) {
    throw Error(fmt::format("has {} bytes, expected {} for {} of shape [{}]", tensor.bytes.size(), expected,
                            to_string(tensor.type), fmt::join(tensor.shape, ", ")));
  }
}

OnnxTensor TensorReader::read(Message message, std::string_view where) {
  const TensorParts parts = read_parts(message);
  const std::string what = fmt::format("{}tensor {}", where, quote_name(parts.name));
  OnnxTensor tensor{.name = std::string(parts.name), .type = element_type(parts.type, what), .shape = parts.shape};
  try {
    find_bytes(tensor, parts, message);
  } catch (const Error& error) {
    error.rethrow(fmt::format("{} {}", what, error.what()));
  }
  return tensor;
}

}  // namespace convoy::onnx
