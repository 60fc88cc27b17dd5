// Laying out the tensors of a step in one arena.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/buffer.h"

namespace convoy {

// Rounded up to where the next tensor may begin.
constexpr size_t align(size_t bytes) {
  return (bytes + Buffer::kAlignment - 1) / Buffer::kAlignment * Buffer::kAlignment;
}

// A block of memory that is needed from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct MemoryLayout {
  std::vector<size_t> offsets;  // one a block, multiples of 64
  size_t bytes = 0;             // of the whole arena
};

// Offsets such that blocks whose lifetimes overlap do not share a byte. Larger blocks are placed first, each at the
// lowest offset that is free for its whole life (greedy by size; Pisarchyk and Lee, arXiv 2001.03288).
MemoryLayout lay_out(std::span<const Lifetime> blocks);

}  // namespace convoy
