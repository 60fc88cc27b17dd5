#include "data/dataset.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "convoy/error.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest() { fs::create_directories(root_); }
  ~DatasetTest() override { fs::remove_all(root_); }

  // Copies a readable image to `path` below the root.
  void image(const fs::path& path) const {
    fs::create_directories((root_ / path).parent_path());
    fs::copy_file(testing::data_folder() / "images" / "gray.jpg", root_ / path);
  }
  void text(const fs::path& path, const std::string& content) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << content;
  }
  std::vector<std::string> names(const Dataset& dataset) const {
    std::vector<std::string> names;
    for (int64_t i = 0; i < dataset.size(); ++i) names.push_back(fs::relative(dataset.name(i), root_).string());
    return names;
  }
  std::string refusal(Split split = Split::train) const {
    try {
      open_dataset(root_, split);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  const fs::path root_ =
      fs::path(::testing::TempDir()) /
      fmt::format("{}_{}", ::testing::UnitTest::GetInstance()->current_test_info()->name(), getpid());
};

TEST_F(DatasetTest, ClassesAndFilesComeInByteOrder) {
  for (const char* path : {"dog/b.JPG", "dog/a.png", "dog/deep/er/c.jpeg", "Zebra/1.webp", "cat/10.jpg", "cat/9.jpg",
                           "cat/.hidden.jpg", ".git/x.jpg", "cat/.thumbs/y.jpg"}) {
    image(path);
  }
  text("cat/notes.txt", "no image");
  text("readme.jpg.txt", "no class");
  const DatasetPtr dataset = open_dataset(root_, Split::val);
  EXPECT_THAT(dataset->class_names(), ElementsAre("Zebra", "cat", "dog"));
  EXPECT_THAT(names(*dataset),
              ElementsAre("Zebra/1.webp", "cat/10.jpg", "cat/9.jpg", "dog/a.png", "dog/b.JPG", "dog/deep/er/c.jpeg"));
  EXPECT_EQ(dataset->label(0), 0);
  EXPECT_EQ(dataset->label(5), 2);
  EXPECT_EQ(dataset->load(3).width(), 37);
  EXPECT_EQ(open_train_val(root_).val, nullptr);
}

TEST_F(DatasetTest, FollowsSymbolicLinksButNotInCircles) {
  image("real/a/1.jpg");
  image("real/b/1.jpg");
  fs::create_directories(root_ / "linked");
  fs::create_directory_symlink(root_ / "real/a", root_ / "linked/a");
  fs::create_directories(root_ / "linked/b");
  fs::create_symlink(root_ / "real/b/1.jpg", root_ / "linked/b/2.jpg");
  fs::create_symlink(root_ / "absent", root_ / "linked/b/broken.jpg");
  EXPECT_EQ(open_dataset(root_ / "linked", Split::train)->size(), 2);
  EXPECT_EQ(open_train_val(root_ / "linked").problems.front().kind, "broken-link");
  fs::create_directory_symlink(root_ / "linked", root_ / "linked/b/up");
  EXPECT_THROW(open_dataset(root_ / "linked", Split::train), Error);
}

TEST_F(DatasetTest, TrainAndTestFoldersAreTheSplits) {
  for (const char* path : {"train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "test/a/3.jpg", "test/b/4.jpg"})
    image(path);
  EXPECT_NE(open_train_val(root_).val, nullptr);
  EXPECT_EQ(open_dataset(root_, Split::train)->size(), 3);
  EXPECT_THAT(names(*open_dataset(root_, Split::val)), ElementsAre("test/a/3.jpg", "test/b/4.jpg"));
  image("val/a/5.jpg");
  EXPECT_THAT(names(*open_dataset(root_, Split::val)), ElementsAre("val/a/5.jpg"));
  EXPECT_THAT(names(*open_train_val(root_).test), ElementsAre("test/a/3.jpg", "test/b/4.jpg"));
  EXPECT_EQ(open_train_val(root_).train_source, (root_ / "train/").string());
}

TEST_F(DatasetTest, TrainFolderAloneHasNoValidation) {
  image("train/a/1.jpg");
  EXPECT_EQ(open_train_val(root_).val, nullptr);
  EXPECT_EQ(open_dataset(root_, Split::train)->size(), 1);
  EXPECT_THAT(refusal(Split::val), HasSubstr("but no val/ or test/ with"));
}

TEST_F(DatasetTest, NamesTheCulprit) {
  EXPECT_THAT(refusal(), AllOf(HasSubstr(root_.string()), HasSubstr("it is empty")));
  text("loose.jpg", "x");
  EXPECT_THAT(refusal(), HasSubstr("found 1 images outside of sub-folders"));
  image("full/1.jpg");
  fs::create_directories(root_ / "hollow");
  EXPECT_THAT(refusal(), HasSubstr("hollow: the class folder has no images"));
  fs::remove_all(root_);
  EXPECT_THAT(refusal(), HasSubstr("no such folder"));
}

TEST_F(DatasetTest, ValidationSplitIsStratifiedAndDependsOnTheSeedAlone) {
  for (int i = 0; i < 10; ++i) image("a/" + std::to_string(i) + ".jpg");
  for (int i = 0; i < 4; ++i) image("b/" + std::to_string(i) + ".jpg");
  for (int i = 0; i < 2; ++i) image("c/" + std::to_string(i) + ".jpg");
  const DatasetPtr whole = open_dataset(root_, Split::train);
  const TrainVal parts = split_off_val(whole, 0.2, 1);
  std::vector<int> counts(3);
  for (int64_t i = 0; i < parts.val->size(); ++i) ++counts[static_cast<size_t>(parts.val->label(i))];
  EXPECT_THAT(counts, ElementsAre(2, 1, 1));
  std::vector<std::string> both = names(*parts.train), val = names(*parts.val);
  both.insert(both.end(), val.begin(), val.end());
  std::sort(both.begin(), both.end());
  EXPECT_EQ(both, names(*whole));
  EXPECT_EQ(names(*split_off_val(whole, 0.2, 1).val), val);
  std::set<std::vector<std::string>> different;
  for (uint64_t seed = 0; seed < 5; ++seed) different.insert(names(*split_off_val(whole, 0.2, seed).val));
  EXPECT_GT(different.size(), 2U);
  image("single/1.jpg");
  EXPECT_THROW(split_off_val(open_dataset(root_, Split::train), 0.2, 1), Error);
}

TEST_F(DatasetTest, ClassesAreMatchedByName) {
  for (const char* path : {"train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg", "val/b/2.jpg", "val/c/3.jpg"})
    image(path);
  TrainVal data = open_train_val(root_);
  match_classes(data);
  EXPECT_EQ(data.val->class_names(), data.train->class_names());
  EXPECT_EQ(data.val->label(0), 1);
  EXPECT_EQ(data.val->label(1), 2);
  EXPECT_THAT(names(*data.val), ElementsAre("val/b/2.jpg", "val/c/3.jpg"));
  EXPECT_EQ(data.val->load(0).width(), 37);
  ASSERT_EQ(data.problems.size(), 1U);
  EXPECT_EQ(data.problems[0].text,
            (root_ / "val/").string() + ": has no images of a; the validation says nothing of them");
  image("val/owl/1.jpg");
  data = open_train_val(root_);
  try {
    match_classes(data);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("val/ has classes that " + (root_ / "train/").string() + " lacks: owl"));
  }
}

TEST_F(DatasetTest, BadFoldersCanBeSkipped) {
  image("ant/1.jpg");
  image("bee/1.jpg");
  fs::create_directories(root_ / "hollow");
  EXPECT_THROW(open_train_val(root_), Error);
  const TrainVal data = open_train_val(root_, BadFolder::problem);
  EXPECT_THAT(data.train->class_names(), ElementsAre("ant", "bee"));
  ASSERT_EQ(data.problems.size(), 1U);
  EXPECT_EQ(data.problems[0].severity, DataProblem::Severity::error);
  EXPECT_EQ(open_val(root_).val->size(), 2);  // to validate with, some classes suffice
}

TEST_F(DatasetTest, FilesAreImagesByTheirFirstBytesWhereTheNameSaysNothing) {
  image("ant/photo");
  image("ant/photo.jpg_large");
  image("bee/1.jpg");
  text("bee/notes", "no image");
  text("bee/.hidden", "junk");
  const TrainVal data = open_train_val(root_);
  EXPECT_THAT(names(*data.train), ElementsAre("ant/photo", "ant/photo.jpg_large", "bee/1.jpg"));
  ASSERT_EQ(data.problems.size(), 1U);
  EXPECT_THAT(data.problems[0].images, ElementsAre((root_ / "bee/notes").string()));
}

class CifarTest : public DatasetTest {
 protected:
  // A record whose red, green and blue planes begin with 10, 20 and 30 + its first label byte.
  static std::string record(const std::string& labels) {
    std::string bytes = labels + std::string(3072, '\0');
    for (size_t plane = 0; plane < 3; ++plane) {
      bytes[labels.size() + plane * 1024] = static_cast<char>(10 * (plane + 1) + static_cast<size_t>(labels[0]));
    }
    return bytes;
  }
  void cifar10(const std::string& folder) const {
    for (int batch = 1; batch <= 5; ++batch) {
      text(folder + "/data_batch_" + std::to_string(batch) + ".bin",
           record(std::string(1, static_cast<char>(batch))) + record("\x09"));
    }
    text(folder + "/test_batch.bin", record("\x07"));
    text(folder + "/batches.meta.txt", "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  }
};

TEST_F(CifarTest, ReadsCifar10AsPublished) {
  cifar10("cifar-10-batches-bin");
  EXPECT_NE(open_train_val(root_).val, nullptr);
  const DatasetPtr train = open_dataset(root_, Split::train);
  EXPECT_EQ(train->size(), 10);
  EXPECT_EQ(train->class_names()[9], "truck");
  EXPECT_EQ(train->label(4), 3);
  EXPECT_EQ(train->label(5), 9);
  EXPECT_THAT(train->name(5), HasSubstr("data_batch_3.bin image 1"));
  const Image image = train->load(4);
  EXPECT_EQ(image.width(), 32);
  EXPECT_THAT(std::vector<uint8_t>(image.row(0), image.row(0) + 4), ElementsAre(13, 23, 33, 0));
  const DatasetPtr test = open_dataset(root_ / "cifar-10-batches-bin", Split::val);
  EXPECT_EQ(test->size(), 1);
  EXPECT_EQ(test->label(0), 7);
}

TEST_F(CifarTest, ReadsTheFineLabelsOfCifar100) {
  std::string class_names;
  for (int i = 0; i < 100; ++i) class_names += "class" + std::to_string(i) + "\n";
  text("fine_label_names.txt", class_names);
  text("train.bin", record(std::string("\x05\x63", 2)));
  text("test.bin", record(std::string("\x05\x01", 2)));
  EXPECT_EQ(open_dataset(root_, Split::train)->label(0), 99);
  EXPECT_EQ(open_dataset(root_, Split::val)->class_names()[1], "class1");
  text("test.bin", record(std::string("\x05\x64", 2)));
  EXPECT_THAT(refusal(Split::val), HasSubstr("image 0 has label 100; expected 0 to 99"));
}

TEST_F(CifarTest, RefusesDamagedFiles) {
  cifar10(".");
  text("data_batch_4.bin", record("\x01") + "x");
  EXPECT_THAT(refusal(), HasSubstr("data_batch_4.bin: 3074 bytes; expected a multiple of 3073"));
  fs::remove(root_ / "data_batch_4.bin");
  EXPECT_THAT(refusal(), HasSubstr("data_batch_4.bin: cannot be read"));
  text("batches.meta.txt", "one\ntwo\n");
  EXPECT_THAT(refusal(Split::val), HasSubstr("batches.meta.txt: expected 10 class names, one a line, found 2"));
}

}  // namespace
}  // namespace convoy
