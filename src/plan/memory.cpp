#include "plan/memory.h"

#include <algorithm>
#include <numeric>

namespace convoy {

MemoryLayout lay_out(std::span<const Lifetime> blocks) {
  MemoryLayout layout;
  layout.offsets.resize(blocks.size());
  std::vector<size_t> by_size(blocks.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });

  std::vector<size_t> placed;  // by offset
  for (const size_t block : by_size) {
    size_t offset = 0;
    for (const size_t other : placed) {
      const bool overlaps = blocks[other].first <= blocks[block].last && blocks[block].first <= blocks[other].last;
      if (!overlaps) continue;
      if (layout.offsets[other] >= offset + align(blocks[block].bytes)) break;
      offset = std::max(offset, layout.offsets[other] + align(blocks[other].bytes));
    }
    layout.offsets[block] = offset;
    layout.bytes = std::max(layout.bytes, offset + align(blocks[block].bytes));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block,
                                   [&](size_t a, size_t b) { return layout.offsets[a] < layout.offsets[b]; }),
                  block);
  }
  return layout;
}

}  // namespace convoy
