#include "plan/memory.h"

#include <gtest/gtest.h>

#include "core/random.h"

namespace convoy {
namespace {

TEST(LayOut, NoTwoLivingBlocksOverlap) {
  RandomStream random(1, "lay_out");
  std::vector<Lifetime> blocks;
  for (int i = 0; i < 300; ++i) {
    const int first = static_cast<int>(random.below(100));
    blocks.push_back({1 + random.below(5000), first, first + static_cast<int>(random.below(20))});
  }
  const MemoryLayout layout = lay_out(blocks);
  for (size_t a = 0; a < blocks.size(); ++a) {
    EXPECT_EQ(layout.offsets[a] % 64, 0U);
    EXPECT_LE(layout.offsets[a] + blocks[a].bytes, layout.bytes);
    for (size_t b = a + 1; b < blocks.size(); ++b) {
      if (blocks[a].first > blocks[b].last || blocks[b].first > blocks[a].last) continue;
      EXPECT_TRUE(layout.offsets[a] + blocks[a].bytes <= layout.offsets[b] ||
                  layout.offsets[b] + blocks[b].bytes <= layout.offsets[a]);
    }
  }
}

TEST(LayOut, ReusesMemoryOfDeadBlocks) {
  const std::vector<Lifetime> chain{{1024, 0, 1}, {1024, 1, 2}, {1024, 2, 3}, {1024, 3, 4}};
  EXPECT_EQ(lay_out(chain).bytes, 2048U);
}

}  // namespace
}  // namespace convoy
