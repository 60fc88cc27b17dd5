#include "formats/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "convoy/error.h"
#include "formats/safetensors_header.h"
#include "formats/strict_json.h"

namespace convoy {

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) refuse(fmt::format("cannot open: {}", std::strerror(errno)));
  try {
    read_header();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

SafetensorsReader::~SafetensorsReader() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

SafetensorsReader::SafetensorsReader(SafetensorsReader&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      metadata_(std::move(other.metadata_)),
      tensors_(std::move(other.tensors_)),
      unread_(std::move(other.unread_)),
      index_(std::move(other.index_)) {}

SafetensorsReader& SafetensorsReader::operator=(SafetensorsReader&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(metadata_, other.metadata_);
  std::swap(tensors_, other.tensors_);
  std::swap(unread_, other.unread_);
  std::swap(index_, other.index_);
  return *this;
}

void SafetensorsReader::refuse(std::string_view message) const {
  throw FileError(fmt::format("{}: {}", path_.string(), message));
}

void SafetensorsReader::fail(std::string_view message) const {
  throw Error(fmt::format("{}: {}", path_.string(), message));
}

void SafetensorsReader::read_at(uint64_t offset, std::span<std::byte> into, std::string_view what) const {
  while (!into.empty()) {
    const size_t most = std::min(into.size(), size_t{1} << 30);
    const ssize_t got = ::pread(descriptor_, into.data(), most, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(fmt::format("cannot read {}: {}", what, std::strerror(errno)));
    if (got == 0) fail(fmt::format("the file ends {} bytes before the end of {}", into.size(), what));
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
}

void SafetensorsReader::read_header() {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) refuse(fmt::format("cannot read: {}", std::strerror(errno)));
  if (!S_ISREG(status.st_mode)) refuse("is not a file");
  const auto file_size = static_cast<uint64_t>(status.st_size);
  uint64_t length = 0;
  if (file_size < sizeof(length)) refuse("is not a safetensors file: it is shorter than 8 bytes");
  read_at(0, std::as_writable_bytes(std::span(&length, 1)), "the header's length");
  if (length > kLargestHeader || length > file_size - sizeof(length)) {
    refuse(fmt::format("is not a safetensors file: a header of {} bytes, expected at most {} in a file of {} bytes",
                       length, kLargestHeader, file_size));
  }
  std::string text(length, '\0');
  read_at(sizeof(length), std::as_writable_bytes(std::span(text)), "the header");
  const uint64_t data_start = sizeof(length) + length;
  try {
    SafetensorsHeader header = parse_safetensors_header(text, file_size - data_start);
    metadata_ = std::move(header.metadata);
    tensors_ = std::move(header.tensors);
    unread_ = std::move(header.unread);
  } catch (const Error& error) {
    error.rethrow(fmt::format("{}: {}", path_.string(), error.what()));
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    tensors_[i].offset += data_start;
    index_.emplace(tensors_[i].name, i);
  }
}

const StoredTensor* SafetensorsReader::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const StoredTensor& SafetensorsReader::tensor(std::string_view name) const {
  const StoredTensor* found = find(name);
  if (found == nullptr) fail(fmt::format("has no tensor {}", quote_name(name)));
  return *found;
}

std::vector<std::byte> SafetensorsReader::bytes(std::string_view name) const {
  const StoredTensor& stored = tensor(name);
  std::vector<std::byte> data(static_cast<size_t>(stored.elements * size_of(stored.type)));
  read_at(stored.offset, data, quote_name(name));
  return data;
}

std::vector<float> SafetensorsReader::floats(std::string_view name) const {
  std::vector<float> values(static_cast<size_t>(tensor(name).elements));
  floats(name, 0, values);
  return values;
}

void SafetensorsReader::floats(std::string_view name, size_t first, std::span<float> into) const {
  const StoredTensor& stored = tensor(name);
  const auto size = static_cast<size_t>(size_of(stored.type));
  const uint64_t offset = stored.offset + first * size;
  if (stored.type == DType::f32) return read_at(offset, std::as_writable_bytes(into), quote_name(name));
  std::vector<std::byte> bytes(into.size() * size);
  read_at(offset, bytes, quote_name(name));
  for_each_element(stored.type, bytes, [&](size_t i, auto value) {
    into[i] = static_cast<float>(value);
    if constexpr (std::is_integral_v<decltype(value)>) {
      if (std::abs(static_cast<double>(value)) > 0x1p24) {
        fail(fmt::format("tensor {} holds {}, which is no float", quote_name(name), value));
      }
    }
  });
}

std::vector<double> SafetensorsReader::doubles(std::string_view name) const {
  const StoredTensor& stored = tensor(name);
  std::vector<double> values(static_cast<size_t>(stored.elements));
  for_each_element(stored.type, bytes(name), [&](size_t i, auto value) {
    values[i] = static_cast<double>(value);
    if constexpr (std::is_integral_v<decltype(value)>) {
      if (std::abs(values[i]) > 0x1p53) {
        fail(fmt::format("tensor {} holds {}, which is no double", quote_name(name), value));
      }
    }
  });
  return values;
}

std::vector<int64_t> SafetensorsReader::integers(std::string_view name) const {
  const StoredTensor& stored = tensor(name);
  std::vector<int64_t> values(static_cast<size_t>(stored.elements));
  for_each_element(stored.type, bytes(name), [&](size_t i, auto value) {
    if constexpr (std::is_integral_v<decltype(value)>) {
      if (!std::in_range<int64_t>(value)) fail(fmt::format("tensor {} holds {}, beyond 2^63", quote_name(name), value));
      values[i] = static_cast<int64_t>(value);
    } else {
      fail(fmt::format("tensor {} is of type {}, expected integers", quote_name(name), to_string(stored.type)));
    }
  });
  return values;
}

}  // namespace convoy
