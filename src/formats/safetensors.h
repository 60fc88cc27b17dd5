// The safetensors format (https://huggingface.co/docs/safetensors): named tensors and string metadata in one file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/elements.h"

namespace convoy {

// A tensor of a file. Extents are in the file's order (OIHW, NCHW) and may be zero.
struct StoredTensor {
  std::string name;
  DType type = DType::f32;
  std::vector<int64_t> shape;
  int64_t elements = 1;
  uint64_t offset = 0;  // of its first byte in the file
};

// A tensor of a type that Convoy does not compute with, such as C64 or F4.
struct UnreadTensor {
  std::string name;
  std::string type;
  uint64_t offset = 0, bytes = 0;
};

// A file open for reading. The header is checked as a whole when it is opened: sizes, types, shapes, byte counts, and
// that the tensors cover the data without gap or overlap; data is read when asked for. Whatever the file holds, the
// worst that it can cause is an Error, which names file and tensor.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::filesystem::path& path);
  ~SafetensorsReader();
  SafetensorsReader(SafetensorsReader&& other) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // In the order of their data.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const std::vector<UnreadTensor>& unread() const { return unread_; }
  // nullptr when there is none of that name.
  const StoredTensor* find(std::string_view name) const;
  // Throws Error when there is none of that name.
  const StoredTensor& tensor(std::string_view name) const;

  // The tensor's bytes as stored (little endian).
  std::vector<std::byte> bytes(std::string_view name) const;
  // The tensor as numbers of another type. floats and doubles take every type, and throw Error for an integer beyond
  // 2^24 or 2^53; integers throws for a floating type.
  std::vector<float> floats(std::string_view name) const;
  // Of its elements from `first` on as many as `into` has room for, which must be there.
  void floats(std::string_view name, size_t first, std::span<float> into) const;
  std::vector<double> doubles(std::string_view name) const;
  std::vector<int64_t> integers(std::string_view name) const;

 private:
  void read_header();
  void read_at(uint64_t offset, std::span<std::byte> into, std::string_view what) const;
  [[noreturn]] void refuse(
      std::string_view message) const;  // FileError: what cannot be read, or is another kind of file
  [[noreturn]] void fail(std::string_view message) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::map<std::string, std::string> metadata_;
  std::vector<StoredTensor> tensors_;
  std::vector<UnreadTensor> unread_;
  std::map<std::string, size_t, std::less<>> index_;  // name -> position in tensors_
};

// A tensor to be written.
struct TensorToStore {
  std::string name;
  DType type = DType::f32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  // little endian, exactly the bytes that type and shape ask for
};

// Writes the file as write_file_atomically does. Equal content gives equal bytes, whatever the order of `tensors`.
// Throws Error when names repeat or are not UTF-8, when data and shape disagree, or when the file cannot be written.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorToStore> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace convoy
