#include "data/file_bytes.h"

#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "convoy/error.h"

namespace convoy {
namespace {

// At most `size` bytes, none only at the end of the file.
size_t read_some(int descriptor, uint64_t offset, uint8_t* into, size_t size, std::string_view name) {
  while (true) {
    const ssize_t got = ::pread(descriptor, into, size, static_cast<off_t>(offset));
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) {
      throw FileError(fmt::format("{}: cannot be read: {}", name, std::generic_category().message(errno)));
    }
  }
}

}  // namespace

std::vector<uint8_t> read_at(int descriptor, uint64_t offset, uint64_t size, std::string_view name) {
  std::vector<uint8_t> bytes(size);
  for (uint64_t done = 0; done < size;) {
    const size_t got = read_some(descriptor, offset + done, bytes.data() + done, size - done, name);
    if (got == 0) throw FileError(fmt::format("{}: the archive became shorter", name));
    done += got;
  }
  return bytes;
}

std::vector<uint8_t> inflate_at(int descriptor, uint64_t offset, uint64_t size, std::string_view name) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw Error(fmt::format("{}: cannot be unpacked", name));
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  constexpr size_t kBlock = size_t{1} << 16;
  std::array<uint8_t, kBlock> packed;
  std::vector<uint8_t> bytes;
  while (bytes.size() < size) {
    if (stream.avail_in == 0) {
      const size_t got = read_some(descriptor, offset, packed.data(), packed.size(), name);
      offset += got;
      stream.next_in = packed.data();
      stream.avail_in = static_cast<uInt>(got);
    }
    const size_t begin = bytes.size();
    bytes.resize(begin +
                 std::min<uint64_t>(size - begin, kBlock));  // no more than what comes, whatever `size` promises
    stream.next_out = bytes.data() + begin;
    stream.avail_out = static_cast<uInt>(bytes.size() - begin);
    const int status = inflate(&stream, Z_NO_FLUSH);
    bytes.resize(bytes.size() - stream.avail_out);
    const bool ended = status == Z_STREAM_END && bytes.size() < size;
    if (ended || (status != Z_OK && status != Z_STREAM_END)) {
      throw Error(fmt::format("{}: damaged within the archive", name));
    }
  }
  return bytes;
}

}  // namespace convoy
