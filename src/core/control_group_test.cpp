#include "core/control_group.h"

#include <gtest/gtest.h>

#include <climits>
#include <cstdint>
#include <filesystem>
#include <fstream>

namespace convoy {
namespace {

class ControlGroup : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ + "/" + name) << text << "\n"; }

  const std::string folder_ =
      ::testing::TempDir() + "convoy_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(ControlGroup, WithoutLimitsThereAreNone) {
  EXPECT_EQ(quota_processors(folder_), INT_MAX);
  EXPECT_EQ(memory_below_limit(folder_), SIZE_MAX);
  write("cpu.max", "max 100000");
  write("memory.max", "max");
  write("memory.current", "4096");
  EXPECT_EQ(quota_processors(folder_), INT_MAX);
  EXPECT_EQ(memory_below_limit(folder_), SIZE_MAX);
}

TEST_F(ControlGroup, PartOfAProcessorCountsAsOne) {
  write("cpu.max", "200000 100000");
  EXPECT_EQ(quota_processors(folder_), 2);
  write("cpu.max", "250000 100000");
  EXPECT_EQ(quota_processors(folder_), 3);
  write("cpu.max", "1000 100000");
  EXPECT_EQ(quota_processors(folder_), 1);
}

TEST_F(ControlGroup, PageCacheIsFreeMemory) {
  write("memory.max", "1000000");
  write("memory.current", "900000");
  EXPECT_EQ(memory_below_limit(folder_), 100000U);
  write("memory.stat", "anon 200000\nfile 700000\ninactive_file 500000\nactive_file 150000\nunevictable 0");
  EXPECT_EQ(memory_below_limit(folder_), 750000U);
}

TEST_F(ControlGroup, NoMemoryIsLeftAtTheLimit) {
  write("memory.max", "1000000");
  write("memory.current", "1000001");
  EXPECT_EQ(memory_below_limit(folder_), 0U);
}

}  // namespace
}  // namespace convoy
