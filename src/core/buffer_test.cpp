#include "core/buffer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace convoy {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Of this process, in use now.
size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

void expect_little_use_and_zeros(Pages pages, size_t most) {
  const size_t before = resident_bytes();
  const Buffer buffer(512 * kMiB, pages);
  EXPECT_LE(resident_bytes(), before + most);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % Buffer::kAlignment, 0U);
  for (size_t i = 0; i < 128 * kMiB; i += 4096) ASSERT_EQ(buffer.data()[i], std::byte{0}) << i;
  buffer.data()[buffer.size() - 1] = std::byte{1};
}

// Of 64 MiB of a large one at most two are touched to find out how soon pages come, and the allocator may keep some
// more.
TEST(Buffer, IsZeroAndCostsMemoryOnlyWhereItIsTouched) {
  expect_little_use_and_zeros(Pages::huge, 20 * kMiB);
  expect_little_use_and_zeros(Pages::small, 4 * kMiB);
}

TEST(Buffer, OfNoBytesHasNone) {
  EXPECT_EQ(Buffer(0).data(), nullptr);
  EXPECT_EQ(Buffer().size(), 0U);
}

}  // namespace
}  // namespace convoy
