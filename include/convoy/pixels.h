// Images in memory.
//
// Threads: these are values, as an int is. The bytes are the caller's, and stay as they are during a call.
#pragma once

#include <cstdint>
#include <span>

namespace convoy {

// An image in memory: 8 bits a channel, rows from top to bottom. Alpha is dropped, as from files.
struct Pixels {
  enum class Format : uint8_t { gray, rgb, bgr, rgba, bgra };

  std::span<const uint8_t> bytes;
  int width = 0;
  int height = 0;
  Format format = Format::rgb;
  int64_t stride = 0;  // bytes from a row to the next; 0: those of a row
};

}  // namespace convoy
