#include "data/unlabelled.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "convoy/error.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::StartsWith;

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

// What load() complains of.
std::string complaint(const Dataset& dataset, int64_t index) {
  try {
    dataset.load(index);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_F(Unlabelled, TakesFilesAndFolders) {
  for (const char* path : {"one.jpg", "many/b.png", "many/deep/a.jpg"}) image(path);
  const DatasetPtr images = open_unlabelled({root_ / "one.jpg", root_ / "many"});
  EXPECT_THAT(names(*images), ElementsAre("one.jpg", "many/b.png", "many/deep/a.jpg"));
  EXPECT_THAT(images->class_names(), ElementsAre(""));
  for (int64_t i = 0; i < images->size(); ++i) EXPECT_EQ(images->load(i).width(), 37);
  EXPECT_THROW(open_unlabelled({}), Error);
}

TEST_F(Unlabelled, WhatIsMissingDoesNotHideTheRest) {
  for (const char* path : {"a.jpg", "b.jpg"}) image(path);
  fs::create_directories(root_ / "hollow");
  fs::create_symlink("nowhere.jpg", root_ / "link.jpg");
  const DatasetPtr images =
      open_unlabelled({root_ / "a.jpg", root_ / "absent.jpg", root_ / "link.jpg", root_ / "hollow", root_ / "b.jpg"});
  EXPECT_THAT(names(*images), ElementsAre("a.jpg", "absent.jpg", "link.jpg", "hollow", "b.jpg"));
  EXPECT_EQ(images->load(0).width(), 37);
  EXPECT_EQ(complaint(*images, 1), (root_ / "absent.jpg").string() + ": no such file or folder");
  EXPECT_EQ(complaint(*images, 2), (root_ / "link.jpg").string() + ": is a link to nothing");
  EXPECT_THAT(complaint(*images, 3), StartsWith((root_ / "hollow").string() + ": no images"));
  EXPECT_EQ(images->load(4).width(), 37);
}

TEST_F(Unlabelled, ReadsArchivesAndFoldersOfThem) {
  for (const char* path : {"in/cat/1.jpg", "in/cat/2.png", "in/.hidden/3.jpg", "many/b.jpg"}) image(path);
  const std::string root = root_.string();
  ASSERT_EQ(std::system(("tar -czf " + root + "/many/a.TAR.gz -C " + root + "/in .").c_str()), 0);
  std::ofstream(root_ / "many/c.tar") << "no archive";
  std::ofstream(root_ / "many/notes.txt") << "no image";
  fs::create_symlink("nowhere", root_ / "many/d.jpg");
  fs::create_symlink("nowhere", root_ / "many/e.txt");
  const DatasetPtr images = open_unlabelled({root_ / "many", root_ / "many/a.TAR.gz"});
  EXPECT_THAT(names(*images),
              ElementsAre("many/a.TAR.gz:cat/1.jpg", "many/a.TAR.gz:cat/2.png", "many/b.jpg", "many/c.tar",
                          "many/d.jpg", "many/a.TAR.gz:cat/1.jpg", "many/a.TAR.gz:cat/2.png"));
  EXPECT_EQ(images->load(0).width(), 37);
  EXPECT_EQ(images->load(2).width(), 37);
  EXPECT_THAT(complaint(*images, 3), StartsWith((root_ / "many/c.tar").string() + ": cannot be read as"));
  EXPECT_EQ(complaint(*images, 4), (root_ / "many/d.jpg").string() + ": is a link to nothing");
  EXPECT_EQ(images->load(6).width(), 37);
}

// Standard input is another file for as long as one lives.
class Redirected {
 public:
  explicit Redirected(const fs::path& file) : before_(dup(STDIN_FILENO)) {
    const int descriptor = open(file.c_str(), O_RDONLY);
    dup2(descriptor, STDIN_FILENO);
    close(descriptor);
  }
  ~Redirected() {
    dup2(before_, STDIN_FILENO);
    close(before_);
  }

 private:
  int before_;
};

TEST_F(Unlabelled, AHyphenIsStandardInput) {
  image("one.jpg");
  const Redirected redirected(root_ / "one.jpg");
  const DatasetPtr images = open_unlabelled({"-", "-"});
  ASSERT_EQ(images->size(), 2);
  EXPECT_EQ(images->name(0), "-");
  EXPECT_EQ(images->load(0).width(), 37);
  EXPECT_EQ(images->encoded(0)->size(), fs::file_size(root_ / "one.jpg"));
  EXPECT_EQ(complaint(*images, 1), "-: standard input is empty");
}

}  // namespace
}  // namespace convoy
