#include "data/disk_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "core/random.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr uint64_t kPlenty = uint64_t{1} << 30;

class DiskCacheTest : public ::testing::Test {
 protected:
  DiskCacheTest() : folder_(fs::path(::testing::TempDir()) / "cache") { fs::remove_all(folder_); }

  static FileStamp stamp(int number) { return {"/photos/" + std::to_string(number) + ".jpg", 1000, 77}; }
  static Image noise(int width, int height, uint64_t number = 0) {
    Image image(width, height);
    RandomStream random(5, "disk cache", 0, number);
    for (size_t i = 0; i < image.bytes(); ++i) image.row(0)[i] = static_cast<uint8_t>(random.below(256));
    return image;
  }
  std::vector<fs::path> entries() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const fs::path& file : entries()) sum += fs::file_size(file);
    return sum;
  }
  // As if the file had last been used that long ago.
  static void age(const fs::path& file, std::chrono::hours hours) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - hours);
  }
  fs::path entry_of(int number) const {
    for (const fs::path& file : entries()) {
      if (read(file).find(stamp(number).file) != std::string::npos) return file;
    }
    return {};
  }
  static void write(const fs::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  }
  static std::string read(const fs::path& file) {
    const std::vector<uint8_t> bytes = read_file(file);
    return {bytes.begin(), bytes.end()};
  }

  const fs::path folder_;
};

TEST_F(DiskCacheTest, GivesBackWhatALaterCacheOfTheSameFolderAsksFor) {
  const Image image = noise(37, 21);
  DiskCache(folder_, kPlenty).put(stamp(1), image);
  const DiskCache later(folder_, kPlenty);
  Image found;
  ASSERT_TRUE(later.get(stamp(1), found));
  testing::expect_same_pixels(found, image, "cached");
}

TEST_F(DiskCacheTest, AnotherFileOrTimeOrSizeIsMissing) {
  DiskCache cache(folder_, kPlenty);
  cache.put(stamp(1), noise(8, 8));
  FileStamp longer = stamp(1), newer = stamp(1);
  longer.bytes += 1;
  newer.modified += 1;
  Image found;
  for (const FileStamp& other : {stamp(2), longer, newer}) EXPECT_FALSE(cache.get(other, found));
  cache.put(newer, noise(8, 8, 1));
  EXPECT_TRUE(cache.get(newer, found));
  testing::expect_same_pixels(found, noise(8, 8, 1), "replaced");
  EXPECT_FALSE(cache.get(stamp(1), found));
}

TEST_F(DiskCacheTest, ADamagedEntryIsMissing) {
  DiskCache cache(folder_, kPlenty);
  cache.put(stamp(1), noise(6, 5));
  const fs::path file = entries().at(0);
  const std::string whole = read(file);
  Image found;
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    write(file, damaged);
    EXPECT_FALSE(cache.get(stamp(1), found)) << "byte " << i;
    write(file, whole.substr(0, i));
    EXPECT_FALSE(cache.get(stamp(1), found)) << i << " bytes";
  }
  write(file, whole + "x");
  EXPECT_FALSE(cache.get(stamp(1), found));
  std::string huge = whole;
  for (const size_t i : {44, 45, 46, 48, 49, 50}) huge[i] = '\xFF';  // width and height
  write(file, huge);
  EXPECT_FALSE(cache.get(stamp(1), found));
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_FALSE(cache.get(stamp(1), found));
  fs::remove(file);
  write(file, whole);
  EXPECT_TRUE(cache.get(stamp(1), found));
}

TEST_F(DiskCacheTest, WhatNobodyUsedSinceMakesRoomTheOldestFirst) {
  constexpr uint64_t kRoom = 100'000;  // for three images of 100 x 100
  {
    DiskCache cache(folder_, kRoom);
    for (int i = 0; i < 5; ++i) cache.put(stamp(i), noise(100, 100));
    EXPECT_FALSE(cache.accepts());
    EXPECT_EQ(cache.take_problem(), "");
    EXPECT_LE(bytes(), kRoom);
    EXPECT_EQ(entries().size(), 3U);
  }
  for (int i = 0; i < 3; ++i) age(entry_of(i), std::chrono::hours(i == 1 ? 5 : 9));
  DiskCache cache(folder_, kRoom);
  Image found;
  EXPECT_TRUE(cache.get(stamp(0), found));
  cache.put(stamp(5), noise(100, 100));
  EXPECT_EQ(entry_of(2), "");  // the oldest of those that nobody used
  EXPECT_NE(entry_of(1), "");
  for (int i = 6; i < 9; ++i) cache.put(stamp(i), noise(100, 100));
  EXPECT_LE(bytes(), kRoom);
  EXPECT_FALSE(cache.accepts());
  const std::vector<bool> kept{true, false, false, false, false, true, true, false, false};
  for (int i = 0; i < 9; ++i) EXPECT_EQ(cache.get(stamp(i), found), kept[static_cast<size_t>(i)]) << i;
}

TEST_F(DiskCacheTest, LeavesFilesOfOthersAlone) {
  fs::create_directories(folder_ / "ab");
  for (const char* name : {"ab/notes.txt", "ab/0123.pixels", "letter.pixels"})
    write(folder_ / name, std::string(999, 'x'));
  DiskCache cache(folder_, 1000);
  cache.put(stamp(1), noise(100, 100));
  EXPECT_FALSE(cache.accepts());
  EXPECT_EQ(entries().size(), 3U);
}

TEST_F(DiskCacheTest, WhatARunLeftUnfinishedMakesRoom) {
  fs::create_directories(folder_ / "ab");
  write(folder_ / "ab" / "0123456789abcd.pixels.17.0.tmp", std::string(40'000, 'x'));
  age(entries().at(0), std::chrono::hours(1));
  DiskCache cache(folder_, 60'000);
  cache.put(stamp(1), noise(100, 100));
  EXPECT_TRUE(cache.accepts());
  EXPECT_EQ(entries().size(), 1U);
}

TEST_F(DiskCacheTest, AFolderThatCannotBeWrittenIsToldOnce) {
  DiskCache cache(folder_, kPlenty);
  for (int i = 0; i < 256; ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    write(folder_ / std::string{kDigits[static_cast<size_t>(i / 16)], kDigits[static_cast<size_t>(i % 16)]}, "");
  }
  cache.put(stamp(1), noise(4, 4));
  EXPECT_FALSE(cache.accepts());
  EXPECT_THAT(cache.take_problem(), HasSubstr("cannot be written"));
  cache.put(stamp(2), noise(4, 4));
  EXPECT_EQ(cache.take_problem(), "");
  write(folder_ / "file", "");
  EXPECT_THROW(DiskCache(folder_ / "file", kPlenty), FileError);
}

TEST_F(DiskCacheTest, ThreadsWithCachesOfTheirOwnShareAFolder) {
  const auto work = [&] {
    DiskCache cache(folder_, kPlenty);
    Image found;
    for (int i = 0; i < 200; ++i) {
      const auto number = static_cast<uint64_t>(i % 10);
      cache.put(stamp(i % 10), noise(20, 20, number));
      ASSERT_TRUE(cache.get(stamp(i % 10), found));
      testing::expect_same_pixels(found, noise(20, 20, number), "shared");
    }
  };
  { std::jthread one(work), other(work); }
  EXPECT_EQ(entries().size(), 10U);
}

TEST(DefaultCacheFolder, IsTheUsers) {
  const std::string home = std::getenv("HOME");
  ::setenv("XDG_CACHE_HOME", "/quick", 1);
  EXPECT_EQ(default_cache_folder(), "/quick/convoy");
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(default_cache_folder(), home + "/.cache/convoy");
}

}  // namespace
}  // namespace convoy
