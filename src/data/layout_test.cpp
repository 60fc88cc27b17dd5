// What odd trees are as datasets: as people report them to torchvision, timm, Keras, fastai and Ultralytics, and as
// published archives unpack. Expected values are written down from what the folders mean.
#include "data/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>

#include "convoy/error.h"
#include "data/file_format.h"

namespace convoy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// "a/b:2" are the images a/b/0.jpg and a/b/1.jpg, "a/" is an empty folder, "!a/" an unreadable one, "@a" a broken link,
// anything else a file. Junk is left out, as trees do.
std::vector<TreeEntry> entries_of(const std::string& words) {
  using enum TreeEntry::Kind;
  std::vector<TreeEntry> entries;
  std::istringstream stream(words);
  for (std::string word; stream >> word;) {
    if (const size_t colon = word.rfind(':'); colon != std::string::npos) {
      for (int i = 0; i < std::stoi(word.substr(colon + 1)); ++i) {
        entries.push_back({fmt::format("{}/{}.jpg", word.substr(0, colon), i), image});
      }
    } else if (word.starts_with('!')) {
      entries.push_back({word.substr(1), unreadable});
    } else if (word.starts_with('@')) {
      entries.push_back({word.substr(1), broken_link});
    } else {
      entries.push_back({word, word.ends_with('/') ? folder : format_by_name(word) ? image : other});
    }
  }
  std::erase_if(entries, [](const TreeEntry& entry) {
    std::istringstream parts(entry.path);
    for (std::string part; std::getline(parts, part, '/');) {
      if (is_junk(part)) return true;
    }
    return false;
  });
  std::ranges::sort(entries, {}, &TreeEntry::path);
  return entries;
}

Layout layout_of(const std::string& words) {
  return lay_out(entries_of(words), [](const std::string& path) { return path.empty() ? "set" : "set/" + path; });
}

// "ant:3 bee:2" with the folder in front where it is not the root.
std::string text_of(const std::optional<LayoutPart>& part) {
  if (!part) return "-";
  std::vector<int> counts(part->class_names.size());
  for (const LabelledFile& file : part->files) ++counts[static_cast<size_t>(file.label)];
  std::vector<std::string> classes;
  for (size_t i = 0; i < counts.size(); ++i) classes.push_back(fmt::format("{}:{}", part->class_names[i], counts[i]));
  return fmt::format("{}{}{}", part->folder, part->folder.empty() ? "" : " ", fmt::join(classes, " "));
}

std::vector<std::string> kinds_of(const Layout& layout) {
  std::vector<std::string> kinds;
  for (const DataProblem& problem : layout.problems) kinds.push_back(problem.kind);
  std::ranges::sort(kinds);
  return kinds;
}

struct Case {
  const char* tree;
  const char* train;  // or "error: " and a part of the message
  const char* val = "-";
  const char* test = "-";
  const char* problems = "";  // kinds, sorted
};

class LayoutTest : public ::testing::TestWithParam<Case> {};

TEST_P(LayoutTest, MeansOneThing) {
  const Case& wanted = GetParam();
  try {
    const Layout layout = layout_of(wanted.tree);
    EXPECT_EQ(text_of(layout.train), wanted.train) << wanted.tree;
    EXPECT_EQ(text_of(layout.val), wanted.val) << wanted.tree;
    EXPECT_EQ(text_of(layout.test), wanted.test) << wanted.tree;
    EXPECT_EQ(fmt::format("{}", fmt::join(kinds_of(layout), " ")), wanted.problems) << wanted.tree;
  } catch (const Error& error) {
    ASSERT_THAT(wanted.train, StartsWith("error: ")) << wanted.tree << ": " << error.what();
    EXPECT_THAT(error.what(), HasSubstr(std::string(wanted.train).substr(7))) << wanted.tree;
  }
}

constexpr Case kClasses[] = {
    {"ant:3 bee:2", "ant:3 bee:2"},
    {"bee:1 Zebra:1 ant:1", "Zebra:1 ant:1 bee:1"},
    {"ant/deep/er:2 ant:1 bee:1", "ant:3 bee:1"},
    {"cat-big:1 cat:2 cat/old:1", "cat:3 cat-big:1"},
    {"1:2 10:2 2:2", "1:2 10:2 2:2"},
    {"ant:2 ant/a.JPG ant/b.Jpeg ant/c.webp ant/d.jfif ant/e.tif bee:1", "ant:7 bee:1"},
    {"ant:2 bee:2 loose.jpg", "ant:2 bee:2", "-", "-", "stray-image"},
    {"ant:2 bee:2 readme.md labels.csv", "ant:2 bee:2", "-", "-", "other-file"},
    {"ant:2 ant/0.txt bee:2 bee/0.txt bee/model", "ant:2 bee:2", "-", "-", "other-file"},
    {"ant:2 bee:2 @ant/gone.jpg", "ant:2 bee:2", "-", "-", "broken-link"},
    {"ant:2 bee:2 hollow/", "ant:2 bee:2", "-", "-", "empty-class"},
    {"ant:2 bee:2 notes/a.txt", "ant:2 bee:2", "-", "-", "empty-class other-file"},
    {"ant:2 bee:2 hollow/deeper/", "ant:2 bee:2", "-", "-", "empty-class"},
    {"ant:2 bee:2 !locked/", "ant:2 bee:2", "-", "-", "unreadable-folder"},
    {"ant:2 !ant/locked/ bee:2", "ant:2 bee:2", "-", "-", "unreadable-folder"},
    {"ant:2", "ant:2", "-", "-", "one-class"},
    {"caf\xC3\xA9:2 tee:1", "caf\xC3\xA9:2 tee:1"},
    {"cafe\xCC\x81:2 tee:1", "caf\xC3\xA9:2 tee:1"},
    {"caf\xC3\xA9:2 cafe\xCC\x81:3 tee:1", "caf\xC3\xA9:5 tee:1", "-", "-", "unicode-forms"},
    {"\xE9t\xE9:1 b:1", "b:1 \xE9t\xE9:1"},
    {"Cat:1 cat:1", "Cat:1 cat:1"},
    // Two copies of a set beside each other, or parts of other names: said, because it is hardly meant.
    {"one/cat:2 one/dog:2 two/cat:1 two/dog:1", "one:4 two:2", "-", "-", "nested-classes"},
    {"seg_train/cat:2 seg_train/dog:2 seg_test/cat:1 seg_test/dog:1", "seg_test:2 seg_train:4", "-", "-",
     "nested-classes"},
    {"fruit/apple:2 fruit/pear:1 cars/audi:1 cars/fiat:1", "cars:2 fruit:3"},
    // Nothing that is a class.
    {"", "error: set: expected one sub-folder a class, it is empty"},
    {"a.jpg b.jpg", "error: set: expected one sub-folder a class, found 2 images outside of sub-folders"},
    {"a.txt b.txt c/d.xml", "error: found no images, but 2 .txt, 1 .xml"},
    {"hollow/", "error: set: expected one sub-folder a class, found no images"},
    {"!locked/", "error: set/locked: the folder cannot be read"},
};
INSTANTIATE_TEST_SUITE_P(Classes, LayoutTest, ::testing::ValuesIn(kClasses));

constexpr Case kWrappers[] = {
    {"Images/ant:2 Images/bee:2", "Images/ ant:2 bee:2"},
    {"a/b/c/ant:2 a/b/c/bee:2", "a/b/c/ ant:2 bee:2"},
    {"photos/ant:8 photos/bee:8 photos/cat:8 photos/sample.jpg", "photos/ ant:8 bee:8 cat:8", "-", "-", "stray-image"},
    {"photos/ant:2 photos/bee:2 cover.jpg", "photos/ ant:2 bee:2", "-", "-", "stray-image"},
    {"photos/ant:2 photos/bee:2 README photos/list.txt", "photos/ ant:2 bee:2", "-", "-", "other-file"},
    {"set/images/ant:2 set/images/bee:2 set/a.jpg b.jpg", "set/images/ ant:2 bee:2", "-", "-", "stray-image"},
    // caltech-101.zip
    {"caltech-101/101_ObjectCategories/ant:2 caltech-101/101_ObjectCategories/bass:2 "
     "caltech-101/Annotations/ant/a.mat caltech-101/show_annotation.m __MACOSX/caltech-101/._x.jpg",
     "caltech-101/101_ObjectCategories/ ant:2 bass:2", "-", "-", "other-file"},
    // flower_photos.tgz, with the licence and the journal that the system left
    {"flower_photos/daisy:2 flower_photos/roses:2 flower_photos/LICENSE.txt flower_photos/.DS_Store",
     "flower_photos/ daisy:2 roses:2", "-", "-", "other-file"},
    // One class with more images of its own than below it is no wrapper.
    {"cat:9 cat/extra:2", "cat:11", "-", "-", "one-class"},
    {"cat:1 cat/persian:4 cat/siamese:5", "cat/ persian:4 siamese:5", "-", "-", "stray-image"},
    {"photos/ant:2 photos/bee:2 photos/hollow/", "photos/ ant:2 bee:2", "-", "-", "empty-class"},
    {"wrap/train/ant:2 wrap/train/bee:2 wrap/val/ant:1 wrap/val/bee:1", "wrap/train/ ant:2 bee:2",
     "wrap/val/ ant:1 bee:1"},
};
INSTANTIATE_TEST_SUITE_P(Wrappers, LayoutTest, ::testing::ValuesIn(kWrappers));

constexpr Case kParts[] = {
    {"train/a:2 train/b:2 val/a:1 val/b:1", "train/ a:2 b:2", "val/ a:1 b:1"},
    {"Train/a:2 Train/b:2 Val/a:1 Val/b:1", "Train/ a:2 b:2", "Val/ a:1 b:1"},
    {"training/a:2 training/b:2 validation/a:1 validation/b:1", "training/ a:2 b:2", "validation/ a:1 b:1"},
    {"TRAIN/a:2 TRAIN/b:2 EVAL/a:1 EVAL/b:1", "TRAIN/ a:2 b:2", "EVAL/ a:1 b:1"},
    {"train/a:2 train/b:2 dev/a:1 dev/b:1", "train/ a:2 b:2", "dev/ a:1 b:1"},
    // Roboflow's names
    {"train/a:8 train/b:8 test/a:2 test/b:2 valid/a:3 valid/b:3", "train/ a:8 b:8", "valid/ a:3 b:3", "test/ a:2 b:2",
     "test-unused"},
    {"train/a:2 train/b:2 test/a:1 test/b:1", "train/ a:2 b:2", "test/ a:1 b:1", "-", "test-validates"},
    {"train/a:2 train/b:2 Testing/a:1 Testing/b:1", "train/ a:2 b:2", "Testing/ a:1 b:1", "-", "test-validates"},
    {"train/a:2 train/b:2", "train/ a:2 b:2"},
    {"train/a:2", "train/ a:2", "-", "-", "one-class"},
    {"train/a:2 train/b:2 val/a:1 val/b:1 extra/a:5", "train/ a:2 b:2", "val/ a:1 b:1", "-", "left-out-folder"},
    {"train/a:2 train/b:2 val/a:1 val/b:1 unlabeled:5", "train/ a:2 b:2", "val/ a:1 b:1", "-", "left-out-folder"},
    {"train/a:2 train/b:2 val/a:1 val/b:1 valid/a:1", "train/ a:2 b:2", "val/ a:1 b:1", "-", "left-out-folder"},
    // Kaggle's competitions: the images to predict have no classes.
    {"train/a:2 train/b:2 test:9", "train/ a:2 b:2", "-", "-", "left-out-folder"},
    {"train/a:2 train/b:2 test:9 sample:1 sample_submission.csv", "train/ a:2 b:2", "-", "-",
     "left-out-folder other-file"},
    {"train:9 test:9", "error: set/train: expected one sub-folder a class, found 9 images outside of sub-folders"},
    {"train:9", "error: set/train: expected one sub-folder a class, found 9 images outside of sub-folders"},
    {"train/a:2 train/b:2 val/a:1 val/b:1 val/x.jpg val/y.jpg", "train/ a:2 b:2", "val/ a:1 b:1", "-", "stray-image"},
    {"train/a:2 train/b:2 val:3", "train/ a:2 b:2", "-", "-", "left-out-folder"},
    {"train/a:2 train/b:2 val:3 test/a:1 test/b:1", "train/ a:2 b:2", "test/ a:1 b:1", "-",
     "left-out-folder test-validates"},
    {"train/a:2 train/b:2 train/x.jpg val/a:1", "train/ a:2 b:2", "val/ a:1", "-", "stray-image"},
    {"train/ant:8 train/bee:8 train/cat:8 val/ant:8 val/cat:8", "train/ ant:8 bee:8 cat:8", "val/ ant:8 cat:8"},
    {"train/ant:8 train/bee:8 val/ant:8 val/bee/", "train/ ant:8 bee:8", "val/ ant:8"},
    {"train/ant:8 train/bee/ val/ant:8", "train/ ant:8", "val/ ant:8", "-", "empty-class one-class"},
    {"train/a:2 train/b:2 val/", "train/ a:2 b:2"},
    {"train/a:2 train/b:2 annotations/a.xml", "train/ a:2 b:2", "-", "-", "other-file"},
    {"train/caf\xC3\xA9:4 train/tee:4 val/cafe\xCC\x81:3 val/tee:4", "train/ caf\xC3\xA9:4 tee:4",
     "val/ caf\xC3\xA9:3 tee:4"},
    {"train/train/a:2 train/train/b:2 val/val/a:1 val/val/b:1", "train/train/ a:2 b:2", "val/val/ a:1 b:1"},
    // A validation class with a sub-folder, alone there, is still a class.
    {"train/cat/x:2 train/dog/y:2 val/cat/x:2", "train/ cat:2 dog:2", "val/ cat:2"},
    {"Train/a:2 train/a:2", "error: set/Train: holds images to train on, and so does set/train"},
    {"val/a:1 val/b:1 test/a:1 test/b:1", "-", "val/ a:1 b:1", "test/ a:1 b:1", "test-unused"},
    // A class that is called train.
    {"car:6 plane:6 train/electric:4 train/steam:4", "car:6 plane:6 train:8"},
    {"car:6 plane:6 train:8", "car:6 plane:6 train:8"},
    {"car:6 test:3 train:8 val:1", "car:6 test:3 train:8 val:1"},
    {"car/a:6 test/b:3 train/c:8", "car:6 test:3 train:8"},
};
INSTANTIATE_TEST_SUITE_P(Parts, LayoutTest, ::testing::ValuesIn(kParts));

TEST(Layout, NothingIsDroppedWithoutAWord) {
  std::vector<Case> all(std::begin(kClasses), std::end(kClasses));
  all.insert(all.end(), std::begin(kWrappers), std::end(kWrappers));
  all.insert(all.end(), std::begin(kParts), std::end(kParts));
  for (const Case& odd : all) {
    if (std::string_view(odd.train).starts_with("error")) continue;
    const Layout layout = layout_of(odd.tree);
    std::set<std::string> used;
    for (const auto& part : {layout.train, layout.val, layout.test}) {
      for (size_t i = 0; part && i < part->files.size(); ++i) {
        EXPECT_TRUE(used.insert(part->files[i].path).second) << "twice: " << part->files[i].path;
      }
    }
    std::string told;
    for (const DataProblem& problem : layout.problems) {
      told += problem.text + fmt::format("{}", fmt::join(problem.images, "\n"));
    }
    for (const TreeEntry& entry : entries_of(odd.tree)) {
      if (entry.kind != TreeEntry::Kind::image || used.contains(entry.path)) continue;
      const std::string folder = entry.path.substr(0, entry.path.find('/'));
      const bool is_told = told.find(entry.path) != std::string::npos || told.find(folder + " (") != std::string::npos;
      EXPECT_TRUE(is_told) << odd.tree << ": " << entry.path;
    }
  }
}

TEST(Layout, ProblemsAreOneLineThatNamesTheCulprits) {
  const auto text = [](const std::string& tree, std::string_view kind) {
    for (const DataProblem& problem : layout_of(tree).problems) {
      if (problem.kind == kind) return problem.text;
    }
    return std::string("none");
  };
  EXPECT_EQ(text("p/a:9 p/b:9 p/1.jpg p/2.jpg p/3.jpg p/4.jpg p/5.jpg", "stray-image"),
            "images outside of the class folders are left out (5): set/p/1.jpg, set/p/2.jpg, set/p/3.jpg and 2 more");
  EXPECT_EQ(text("a:1 b:1 a/1.txt a/2.TXT b/3.xml b/plain", "other-file"),
            "files that are no images are left out (2 .txt, 1 without extension, 1 .xml), such as set/a/1.txt");
  EXPECT_EQ(text("train/a:1 train/b:1 val/a:1 x:2 y:1", "left-out-folder"),
            "set: holds folders for training and validation; others are left out: x (2 images), y (1 images)");
  EXPECT_EQ(text("a:1 b:1 c/", "empty-class"), "set/c: the class folder has no images");
  EXPECT_THAT(text("x/a:1", "one-class"), StartsWith("set/x: has one class only, a; "));
}

TEST(Layout, FilesKnowTheirClassFolder) {
  const Layout layout = layout_of("wrap/train/a/deep:1 wrap/train/b:1 wrap/val/a:1 wrap/val/b:1");
  ASSERT_EQ(layout.train->files.size(), 2U);
  const LabelledFile& file = layout.train->files[0];
  EXPECT_EQ(file.path.substr(file.class_folder), "deep/0.jpg");
}

TEST(Layout, NamesComeInTheirComposedForm) {
  EXPECT_EQ(composed("cafe\xCC\x81"), "caf\xC3\xA9");
  EXPECT_EQ(composed("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), "\xED\x95\x9C");  // Hangul, as macOS stores it
  EXPECT_EQ(composed("\xEF\xAC\x81"), "\xEF\xAC\x81");                          // a ligature is not taken apart
  EXPECT_EQ(composed("\xE9t\xE9"), "\xE9t\xE9");                                // Latin-1 is not UTF-8
  EXPECT_EQ(composed(""), "");
}

TEST(Junk, IsWhatSystemsLeaveBehind) {
  for (const char* name : {".DS_Store", "._000.jpg", ".ipynb_checkpoints", ".git", "__MACOSX", "@eaDir", "lost+found",
                           "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information", "Thumbs.db", "thumbs.db",
                           "desktop.ini", "Desktop.ini", "Icon\r"}) {
    EXPECT_TRUE(is_junk(name)) << name;
  }
  for (const char* name : {"ant", "MACOSX", "lost", "recycle", "icon.png", "thumbs", "Desktop"}) {
    EXPECT_FALSE(is_junk(name)) << name;
  }
}

TEST(ImageFinder, GoesByTheExtensionAndThenByTheFirstBytes) {
  ImageFinder finder;
  int reads = 0;
  const auto holding = [&](std::vector<uint8_t> bytes) {
    return [&reads, bytes] {
      ++reads;
      return bytes;
    };
  };
  const std::vector<uint8_t> jpeg{0xFF, 0xD8, 0xFF, 0xE0}, text{'t', 'e', 'x', 't'};
  EXPECT_TRUE(finder("a.jpg", holding(text)));
  EXPECT_EQ(reads, 0);
  EXPECT_TRUE(finder("a.dat", holding(jpeg)));
  EXPECT_TRUE(finder("a", holding(jpeg)));
  EXPECT_FALSE(finder("a", holding(text)));
  EXPECT_FALSE(finder("a", holding({})));
  EXPECT_EQ(reads, 4);
  for (int i = 0; i < 1500; ++i) EXPECT_FALSE(finder("a.txt", holding(text)));
  EXPECT_EQ(reads, 4 + 1000);  // many label files cost no more
  EXPECT_TRUE(finder("b.dat", holding(jpeg)));
}

}  // namespace
}  // namespace convoy
