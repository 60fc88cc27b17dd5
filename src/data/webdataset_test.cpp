#include "data/webdataset.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "convoy/error.h"
#include "data/dataset.h"
#include "tests/support/pack.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WebDatasetTest : public ::testing::Test {
 protected:
  WebDatasetTest() { fs::create_directories(root_); }
  ~WebDatasetTest() override { fs::remove_all(root_); }

  // A tar of tiny files, whose images nobody decodes.
  fs::path pack(const testing::PackedFiles& files) const {
    testing::pack(root_ / "s.tar", files);
    return root_ / "s.tar";
  }
  void text(const std::string& name, const std::string& content) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << content;
  }
  static std::string refusal(const fs::path& data) {
    try {
      open_train_val(data, BadFolder::error_unless_empty);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
  static std::vector<int> labels(const Dataset& dataset) {
    std::vector<int> labels;
    for (int64_t i = 0; i < dataset.size(); ++i) labels.push_back(dataset.label(i));
    return labels;
  }
  std::vector<std::string> names(const Dataset& dataset) const {
    std::vector<std::string> names;
    for (int64_t i = 0; i < dataset.size(); ++i) {
      names.push_back(dataset.name(i).substr((root_ / "s.tar:").string().size()));
    }
    return names;
  }

  const fs::path root_ =
      fs::path(::testing::TempDir()) /
      fmt::format("{}_{}", ::testing::UnitTest::GetInstance()->current_test_info()->name(), getpid());
};

TEST_F(WebDatasetTest, NumbersBesideTheImagesAreTheirClasses) {
  const TrainVal data = open_train_val(pack({{"a.jpg", ""},
                                             {"a.cls", "2"},
                                             {"a.json", "{}"},
                                             {"b.cls", " 0\r\n"},
                                             {"b.PNG", ""},
                                             {"sub/a.jpeg", ""},
                                             {"sub/a.cls", "0000000000000000000000000000001\n"},
                                             {"v1.2/x", "text"},
                                             {"v1.2/c.webp", ""},
                                             {"v1.2/c.cls", "0"}}));
  EXPECT_THAT(data.train->class_names(), ElementsAre("0", "1", "2"));
  EXPECT_THAT(names(*data.train), ElementsAre("b.PNG", "v1.2/c.webp", "sub/a.jpeg", "a.jpg"));
  EXPECT_THAT(labels(*data.train), ElementsAre(0, 0, 1, 2));
  EXPECT_EQ(data.val, nullptr);
  ASSERT_EQ(data.problems.size(), 1U);
  EXPECT_THAT(data.problems[0].text, HasSubstr("files that are no images are left out (1 without extension, 1 .json)"));
}

TEST_F(WebDatasetTest, AFolderOfFilesIsReadAlike) {
  for (int i = 0; i < 12; ++i) {
    text(fmt::format("{:02}.jpg", i), "");
    text(fmt::format("{:02}.cls", i), std::to_string(i));
  }
  const TrainVal data = open_train_val(root_);
  EXPECT_THAT(labels(*data.train), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)) << "by number, not by text";
  EXPECT_EQ(data.train->class_names()[11], "11");
}

TEST_F(WebDatasetTest, WhatIsNoNumberOfAClassIsRefused) {
  for (const auto& [content, shown] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {" \n", " ?"},
                                                        {"-1", "-1"},
                                                        {"1.5", "1.5"},
                                                        {"1 2", "1 2"},
                                                        {"cat", "cat"},
                                                        {"+1", "+1"},
                                                        {"1000001", "1000001"},
                                                        {"99999999999999999999", "99999999999999999999"},
                                                        {std::string(33, '1'), std::string(32, '1') + "..."},
                                                        {std::string(1 << 20, '0'), std::string(32, '0') + "..."}}) {
    EXPECT_EQ(refusal(pack({{"a.jpg", ""}, {"a.cls", "0"}, {"b.jpg", ""}, {"b.cls", content}})),
              fmt::format("{}/s.tar:b.cls: expected the number of a class, from 0 to 1000000, got '{}'", root_.string(),
                          shown));
  }
  EXPECT_EQ(open_train_val(pack({{"a.jpg", ""}, {"a.cls", "1000000"}}), BadFolder::problem).train->class_names().size(),
            1'000'001U);
}

TEST_F(WebDatasetTest, AnImageWithoutAClassIsNamed) {
  EXPECT_EQ(refusal(pack({{"a.jpg", ""}, {"a.cls", "0"}, {"b.jpg", ""}, {"c.jpg", ""}})),
            fmt::format("{0}/s.tar:b.jpg: has no class, expected its number in b.cls as {0}/s.tar:a.jpg has it",
                        root_.string()));
}

TEST_F(WebDatasetTest, FurtherImagesOfASampleAreLeftOut) {
  const TrainVal data = open_train_val(pack({{"a.jpg", ""},
                                             {"a.cls", "0"},
                                             {"a.mask.png", ""},
                                             {"b.jpg", ""},
                                             {"b.cls", "1"},
                                             {"c.x.jpg", ""},
                                             {"c.x.cls", "1"}}));
  EXPECT_THAT(names(*data.train), ElementsAre("a.jpg", "b.jpg", "c.x.jpg"));
  ASSERT_EQ(data.problems.size(), 1U);
  EXPECT_EQ(data.problems[0].text,
            fmt::format("images without a class of their own are left out (1): {}/s.tar:a.mask.png", root_.string()));
}

TEST_F(WebDatasetTest, AnImageThatIsCalledAsAClassIsNoneSilently) {
  const std::string png = "\x89PNG\r\n\x1a\n";
  const TrainVal data = open_train_val(pack({{"a.jpg", ""}, {"a.cls", "0"}, {"a.x.cls", png}}));
  EXPECT_THAT(names(*data.train), ElementsAre("a.jpg"));
  ASSERT_EQ(data.problems.size(), 2U);
  EXPECT_THAT(data.problems[1].text, HasSubstr("images without a class of their own are left out (1): "));
}

TEST_F(WebDatasetTest, ClassesWithoutImagesAreTold) {
  const fs::path data = pack({{"a.jpg", ""}, {"a.cls", "5"}, {"b.jpg", ""}, {"b.cls", "1"}});
  const TrainVal told = open_train_val(data, BadFolder::problem);
  EXPECT_EQ(told.train->class_names().size(), 6U);
  ASSERT_EQ(told.problems.size(), 1U);
  EXPECT_EQ(told.problems[0].text, data.string() + ": has no images of 4 of its 6 classes: 0, 2, 3 and 1 more");
  EXPECT_THROW(open_train_val(data), Error);
  EXPECT_EQ(open_val(data).val->size(), 2);
}

TEST_F(WebDatasetTest, ClassesMayHaveNames) {
  const testing::PackedFiles files{{"a.jpg", ""}, {"a.cls", "1"}, {"b.jpg", ""}, {"b.cls", "0"}};
  fs::create_directories(root_ / "train");
  testing::pack(root_ / "train/s.tar", files);
  text("classnames.txt", "tench\r\ngoldfish\r\n\r\n");
  const auto classes = [&](const fs::path& data) { return open_train_val(data).train->class_names(); };
  EXPECT_THAT(classes(root_ / "train/s.tar"), ElementsAre("tench", "goldfish"));
  EXPECT_THAT(classes(pack(files)), ElementsAre("tench", "goldfish"));
  text("classes.txt", "a\nb");
  EXPECT_THAT(classes(root_ / "s.tar"), ElementsAre("a", "b")) << "comes first";
  text("classes.txt", "a\n");
  EXPECT_EQ(
      refusal(root_ / "s.tar"),
      fmt::format("{}/classes.txt: expected the names of 2 classes or more, a line each, because a.jpg has class 1, "
                  "got 1",
                  root_.string()));
  text("classes.txt", "a\nb\na\n");
  EXPECT_EQ(
      refusal(root_ / "s.tar"),
      fmt::format("{}/classes.txt: expected classes of different names, got 'a' in lines 1 and 3", root_.string()));
  text("classes.txt", "a\n\nb\n");
  EXPECT_EQ(refusal(root_ / "s.tar"),
            fmt::format("{}/classes.txt: expected a class in line 2, it is empty", root_.string()));
}

TEST_F(WebDatasetTest, FoldersCountWhereTheySayTheSame) {
  testing::PackedFiles files{{"cat/1.jpg", ""},  {"cat/1.cls", "7"}, {"dog/1.jpg", ""},
                             {"dog/1.cls", "3"}, {"dog/2.jpg", ""},  {"dog/2.cls", "3"}};
  const TrainVal by_folders = open_train_val(pack(files));
  EXPECT_THAT(by_folders.train->class_names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(labels(*by_folders.train), ElementsAre(0, 1, 1));
  EXPECT_THAT(by_folders.problems, IsEmpty());
  files.back().second = "2";
  const TrainVal by_numbers = open_train_val(pack(files), BadFolder::problem);
  EXPECT_THAT(labels(*by_numbers.train), ElementsAre(2, 3, 7));
  files.back().second = "7";
  EXPECT_THAT(labels(*open_train_val(pack(files), BadFolder::problem).train), ElementsAre(3, 7, 7));
  files[3].second = "7";
  EXPECT_THAT(labels(*open_train_val(pack(files), BadFolder::problem).train), ElementsAre(7, 7, 7))
      << "one class in two folders";
}

TEST_F(WebDatasetTest, PartsInOneTreeAreRefused) {
  EXPECT_THAT(refusal(pack({{"train/1.jpg", ""}, {"train/1.cls", "0"}, {"val/1.jpg", ""}, {"val/1.cls", "1"}})),
              HasSubstr("s.tar: has folders for parts, and the numbers of classes beside the images"));
  EXPECT_EQ(labels(*open_train_val(pack({{"train/1.jpg", ""}, {"train/1.cls", "0"}})).train).size(), 1U);
}

}  // namespace
}  // namespace convoy
