#include <gmock/gmock.h>

#include "train/trainer_testing.h"

namespace convoy {
namespace {

using testing::HasSubstr;

TEST_F(TrainerTest, CachesChangeNoBitOfARun) {
  Recipe plain = named("none");
  plain.cache = Recipe::Cache::none;
  train(plain, callbacks_);
  const std::string expected = bytes_of(run("none") / "last.safetensors");
  Recipe memory = named("ram");
  train(memory, callbacks_);
  EXPECT_EQ(bytes_of(run("ram") / "last.safetensors"), expected);
  for (const char* name : {"disk", "disk-again"}) {
    Recipe disk = named(name);
    disk.cache = Recipe::Cache::disk;
    disk.cache_dir = (root_ / "cache").string();
    train(disk, callbacks_);
    EXPECT_EQ(bytes_of(run(name) / "last.safetensors"), expected) << name;
    int64_t entries = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / "cache")) {
      if (entry.is_regular_file()) ++entries;
    }
    EXPECT_EQ(entries, kClasses * (14 + 5)) << name;
  }
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(TrainerTest, ACacheThatCannotBeMadeIsRefusedOneThatCannotBeWrittenIsAWarning) {
  std::ofstream(root_ / "file") << "x";
  recipe_.cache = Recipe::Cache::disk;
  recipe_.cache_dir = (root_ / "file").string();
  EXPECT_THAT(complaint(recipe_), HasSubstr("cache-dir: " + recipe_.cache_dir + " cannot be made"));
  recipe_.cache_dir = (root_ / "cache").string();
  recipe_.epochs = 1;
  std::filesystem::create_directory(root_ / "cache");
  for (int i = 0; i < 256; ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const std::string name{kDigits[static_cast<size_t>(i / 16)], kDigits[static_cast<size_t>(i % 16)]};
    std::ofstream(root_ / "cache" / name) << "x";
  }
  train(recipe_, callbacks_);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0], HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace convoy
