#include "plan/blocks.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/random.h"

namespace convoy {
namespace {

// input -> 1 -> 2 -> 3, of which node 3 reads 1, too, and node 0 has a workspace.
StepMemory chain() {
  StepMemory memory;
  memory.bytes = {100, 640, 64, 64};
  memory.inputs = {0};
  memory.outputs = {3};
  memory.nodes = {{.inputs = {0}, .outputs = {1}, .in_place = {}, .workspace = 1000},
                  {.inputs = {1}, .outputs = {2}, .in_place = {{0, 0}}, .workspace = 0},
                  {.inputs = {2, 1}, .outputs = {3}, .in_place = {{0, 0}}, .workspace = 0}};
  return memory;
}

void expect_lifetime(const Lifetime& block, size_t bytes, int first, int last) {
  EXPECT_EQ(block.bytes, bytes);
  EXPECT_EQ(block.first, first);
  EXPECT_EQ(block.last, last);
}

TEST(Blocks, LiveFromTheirMakerToTheirLastReader) {
  const std::vector<int> order{0, 1, 2};
  const Blocks blocks = assign_blocks(chain(), order);
  ASSERT_EQ(blocks.lifetimes.size(), 4U);
  expect_lifetime(blocks.lifetimes[blocks.of_value[0]], 100, -1, 0);
  expect_lifetime(blocks.lifetimes[blocks.of_value[1]], 640, 0, 2);
  expect_lifetime(blocks.lifetimes[blocks.of_workspace[0]], 1000, 0, 0);
  EXPECT_EQ(blocks.of_workspace[1], kNoBlock);
  // 3 takes over the block of 2, which dies there, and lives behind the last node.
  EXPECT_EQ(blocks.of_value[3], blocks.of_value[2]);
  expect_lifetime(blocks.lifetimes[blocks.of_value[3]], 64, 1, 3);
  EXPECT_EQ(live_bytes(blocks.lifetimes, 3), (std::vector<size_t>{128 + 640 + 1024, 640 + 64, 640 + 64}));
}

TEST(Blocks, AValueThatIsMadeAgainIsNotKept) {
  StepMemory memory = chain();
  memory.bytes[2] = memory.bytes[3] = memory.bytes[1];
  memory.nodes.push_back({.inputs = {0}, .outputs = {1}, .in_place = {}, .workspace = 0});
  const std::vector<int> order{0, 1, 3, 2};
  const Blocks blocks = assign_blocks(memory, order);
  // input, 1 with 2 in its place, the workspace, and 1 again.
  ASSERT_EQ(blocks.lifetimes.size(), 4U);
  expect_lifetime(blocks.lifetimes[blocks.of_value[0]], 100, -1, 2);
  expect_lifetime(blocks.lifetimes[blocks.of_value[1]], 640, 2, 3);
  expect_lifetime(blocks.lifetimes[blocks.of_value[2]], 640, 0, 4);
}

// Its kernel may still read what lies behind the smaller value.
TEST(Blocks, NoneTakesTheBlockOfALargerValue) {
  StepMemory memory = chain();
  memory.nodes.back().inputs = {2};
  const std::vector<int> order{0, 1, 2};
  const Blocks blocks = assign_blocks(memory, order);
  EXPECT_NE(blocks.of_value[2], blocks.of_value[1]);
  EXPECT_EQ(blocks.of_value[3], blocks.of_value[2]);
}

TEST(Blocks, ValuesElsewhereHaveNone) {
  StepMemory memory = chain();
  memory.bytes[2] = 0;
  const std::vector<int> order{0, 1, 2};
  const Blocks blocks = assign_blocks(memory, order);
  EXPECT_EQ(blocks.of_value[2], kNoBlock);
  EXPECT_EQ(blocks.lifetimes.size(), 4U);
}

TEST(LiveBytes, AreThoseOfALoopOverAll) {
  RandomStream random(1, "live_bytes");
  std::vector<Lifetime> blocks;
  for (int i = 0; i < 200; ++i) {
    const int first = static_cast<int>(random.below(50)) - 1;
    blocks.push_back({1 + random.below(5000), first, std::max(0, first + static_cast<int>(random.below(20)))});
  }
  const std::vector<size_t> live = live_bytes(blocks, 60);
  for (int position = 0; position < 60; ++position) {
    size_t expected = 0;
    for (const Lifetime& block : blocks) {
      if (block.first <= position && position <= block.last) expected += (block.bytes + 63) / 64 * 64;
    }
    EXPECT_EQ(live[static_cast<size_t>(position)], expected) << position;
  }
}

}  // namespace
}  // namespace convoy
