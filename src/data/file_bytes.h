// Parts of open files, as they are stored or deflated.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace convoy {

// The `size` bytes at `offset`. Throws Error that begins with `name` when they cannot be read or the file ends before.
std::vector<uint8_t> read_at(int descriptor, uint64_t offset, uint64_t size, std::string_view name);

// The first `size` bytes that the raw deflate stream (RFC 1951) at `offset` unpacks to. Throws as read_at, and for a
// damaged stream or one that ends before.
std::vector<uint8_t> inflate_at(int descriptor, uint64_t offset, uint64_t size, std::string_view name);

}  // namespace convoy
