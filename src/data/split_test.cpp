// Where `split_images` reads and writes; the command line's tests have what it writes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "convoy/data.h"
#include "convoy/error.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Five images of a class in `photos`; the working directory is theirs while a test runs.
class SplitTest : public ::testing::Test {
 protected:
  SplitTest() {
    fs::remove_all(root_);
    fs::create_directories(root_ / "photos/cat");
    for (int i = 0; i < 5; ++i) {
      fs::copy_file(testing::data_folder() / "images/gray.jpg", root_ / fmt::format("photos/cat/{}.jpg", i));
    }
    fs::current_path(root_ / "photos");
  }
  ~SplitTest() override {
    fs::current_path(before_);
    fs::remove_all(root_);
  }

  const fs::path before_ = fs::current_path();
  const fs::path root_ = fs::path(::testing::TempDir()) / fmt::format("convoy_split_{}", getpid());
};

TEST_F(SplitTest, TheDataMayBeTheWorkingDirectoryOrOneAbove) {
  int outputs = 0;
  const auto split = [&](const fs::path& data) {
    const fs::path output = root_ / fmt::format("parts{}", outputs++);
    split_images(data, output, {.every = 5});
    EXPECT_TRUE(fs::exists(output / "val/cat/0.jpg")) << data;
    EXPECT_TRUE(fs::exists(output / "train/cat/4.jpg")) << data;
  };
  for (const char* data : {".", "./", "../photos", "../photos/", "cat/.."}) split(data);
  fs::current_path("cat");
  for (const char* data : {"..", "../"}) split(data);
}

TEST_F(SplitTest, TheOutputMustNotLieWithinTheData) {
  fs::create_directory_symlink(root_ / "photos", root_ / "link");
  for (const auto& [data, output] : {std::pair<fs::path, fs::path>{root_ / "photos", root_ / "photos/parts"},
                                     {".", "parts"},
                                     {".", "./deep/../parts/"},
                                     {"../photos", "."},
                                     {root_ / "link", root_ / "photos/parts"},
                                     {root_ / "photos", root_ / "link/parts"}}) {
    try {
      split_images(data, output);
      FAIL() << output << " was accepted";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("lies within " + data.string()));
    }
  }
  EXPECT_FALSE(fs::exists("parts"));
  split_images(".", root_ / "photos2");  // beside the data, though its name begins like theirs
  EXPECT_TRUE(fs::exists(root_ / "photos2/train"));
}

}  // namespace
}  // namespace convoy
