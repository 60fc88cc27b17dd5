#include "data/unlabelled.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "convoy/error.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class Unlabelled : public ::testing::Test {
 protected:
  Unlabelled() { fs::create_directories(root_); }
  ~Unlabelled() override { fs::remove_all(root_); }

  // Copies a readable image to `path` below the root.
  void image(const fs::path& path) const {
    fs::create_directories((root_ / path).parent_path());
    fs::copy_file(testing::data_folder() / "images" / "gray.jpg", root_ / path);
  }
  std::vector<std::string> names(const Dataset& dataset) const {
    std::vector<std::string> names;
    for (int64_t i = 0; i < dataset.size(); ++i) names.push_back(fs::relative(dataset.name(i), root_).string());
    return names;
  }

  const fs::path root_ =
      fs::path(::testing::TempDir()) /
      fmt::format("{}_{}", ::testing::UnitTest::GetInstance()->current_test_info()->name(), getpid());
};

TEST_F(Unlabelled, TakesFilesAndFolders) {
  for (const char* path : {"one.jpg", "many/b.png", "many/deep/a.jpg"}) image(path);
  EXPECT_THAT(names(*open_unlabelled({root_ / "one.jpg", root_ / "many"})),
              ElementsAre("one.jpg", "many/b.png", "many/deep/a.jpg"));
  EXPECT_THROW(open_unlabelled({root_ / "absent.jpg"}), Error);
  fs::create_directories(root_ / "hollow");
  EXPECT_THROW(open_unlabelled({root_ / "hollow"}), Error);
}

}  // namespace
}  // namespace convoy
