// Tensors of ONNX files, and the wire format that they are written in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "formats/onnx_model.h"

namespace convoy::onnx {

using Message = protozero::pbf_reader;
using Wire = protozero::pbf_wire_type;

// The current field's value. Throws protozero::exception where it is of another kind, which protozero only asserts.
uint64_t integer_in(Message& message);
float number_in(Message& message);
std::string_view text_in(Message& message);
Message message_in(Message& message);

// The key and the value of a StringStringEntryProto.
std::pair<std::string_view, std::string_view> read_entry(Message message);

// Calls visit(uint64_t) with the current field's one value, or with all that are packed in it.
template <class Visit>
void for_each_integer(Message& message, const Visit& visit) {
  if (message.wire_type() != Wire::length_delimited) return visit(integer_in(message));
  const std::string_view packed = text_in(message);
  const char* at = packed.data();
  const char* const end = at + packed.size();
  while (at != end) visit(protozero::decode_varint(&at, end));
}

// The same for float and double: their bytes.
std::string_view numbers_in(Message& message, size_t size_of_one);

// The type of that number. Throws an Error about `what`.
DType element_type(int32_t number, std::string_view what);

// A file's content, which must not be cut short while it is mapped. Errors do not name the file.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

struct TensorParts;

// Reads the tensors of one file. Errors do not name the file.
class TensorReader {
 public:
  explicit TensorReader(const std::filesystem::path& path);

  size_t file_size() const { return file_->bytes().size(); }
  Message whole_file() const;
  // The errors have `where` in front.
  OnnxTensor read(Message message, std::string_view where = "");

 private:
  void find_bytes(OnnxTensor& tensor, const TensorParts& parts, Message message);
  void map_external(OnnxTensor& tensor, const TensorParts& parts, size_t expected);
  const std::shared_ptr<const MappedFile>& external_file(const std::string& location);

  std::filesystem::path folder_;
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, std::shared_ptr<const MappedFile>> external_files_;
};

}  // namespace convoy::onnx
