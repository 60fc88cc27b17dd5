// What `check_images` finds; the command line's tests have the rest of its kinds.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "convoy/data.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CheckTest : public ::testing::Test {
 protected:
  CheckTest() { fs::remove_all(root_); }
  ~CheckTest() override { fs::remove_all(root_); }

  void image(const std::string& name, const fs::path& path) const {
    fs::create_directories((root_ / path).parent_path());
    fs::copy_file(testing::data_folder() / "images" / name, root_ / path);
  }
  std::vector<DataProblem> problems(std::string_view kind) const {
    std::vector<DataProblem> found = check_images(root_).problems;
    std::erase_if(found, [&](const DataProblem& problem) { return problem.kind != kind; });
    return found;
  }

  const fs::path root_ = fs::path(::testing::TempDir()) / fmt::format("convoy_check_{}", getpid());
};

TEST_F(CheckTest, TheSamePixelsInTheOtherPartAreFoundBesideTheSameFileTwice) {
  image("source.png", "train/a/1.png");
  image("source.png", "train/a/2.png");
  image("interlaced.png", "val/a/3.png");  // the pixels of source.png
  const std::vector<DataProblem> leaks = problems("duplicate-across-split");
  ASSERT_EQ(leaks.size(), 1U);
  EXPECT_EQ(leaks[0].images.size(), 3U);
  EXPECT_THAT(leaks[0].text, HasSubstr("the same pixels"));
}

TEST_F(CheckTest, TheSameFileIsCalledSo) {
  image("source.png", "train/a/1.png");
  image("source.png", "val/a/1.png");
  const std::vector<DataProblem> leaks = problems("duplicate-across-split");
  ASSERT_EQ(leaks.size(), 1U);
  EXPECT_THAT(leaks[0].text, HasSubstr("the same file"));
}

// The same stored pixels, one of them turned when it is shown.
TEST_F(CheckTest, ImagesThatAreTurnedDifferentlyAreNotTheSame) {
  image("exif_1.jpg", "train/a/1.jpg");
  image("exif_6.jpg", "val/a/1.jpg");
  EXPECT_TRUE(problems("duplicate-across-split").empty());
}

TEST_F(CheckTest, DamageIsToldFromKindsThatAreNotSupported) {
  image("damaged_png_no_iend.png", "a/cut.png");
  image("damaged_jpeg_restart_wrong.jpg", "a/wrong.jpg");
  image("unsupported_jpeg_twelve_bits.jpg", "a/deep.jpg");
  image("truncated.jpg", "a/short.jpg");
  const auto name_of_only = [&](std::string_view kind) {
    const std::vector<DataProblem> found = problems(kind);
    EXPECT_EQ(found.size(), 1U) << kind;
    return found.empty() ? "" : fs::path(found[0].images.front()).filename().string();
  };
  EXPECT_EQ(problems("damaged-but-read").size(), 2U);
  EXPECT_EQ(problems("damaged-but-read")[0].severity, DataProblem::Severity::warning);
  EXPECT_EQ(name_of_only("unsupported"), "deep.jpg");
  EXPECT_EQ(name_of_only("damaged"), "short.jpg");
}

TEST_F(CheckTest, ExtensionsCountInAnyCase) {
  image("source.png", "a/Photo.Png");
  image("lossless.webp", "a/Photo.WebP");
  image("rgb_444.jpg", "a/Photo.JPeg");
  EXPECT_TRUE(problems("mislabelled-type").empty());
  image("source.png", "a/other.Jpg");
  ASSERT_EQ(problems("mislabelled-type").size(), 1U);
  EXPECT_EQ(problems("mislabelled-type")[0].images.size(), 1U);
}

}  // namespace
}  // namespace convoy
