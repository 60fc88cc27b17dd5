#include "data/sharded_tree.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "convoy/error.h"
#include "data/dataset.h"
#include "data/open_tree.h"
#include "data/unlabelled.h"
#include "tests/support/pack.h"
#include "tests/support/ppm.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

class ShardsTest : public ::testing::Test {
 protected:
  ShardsTest() { fs::create_directories(root_); }
  ~ShardsTest() override { fs::remove_all(root_); }

  static std::string image_bytes() {
    const std::vector<uint8_t> bytes = read_file(testing::data_folder() / "images" / "gray.jpg");
    return {bytes.begin(), bytes.end()};
  }
  fs::path pack(const std::string& name, const testing::PackedFiles& files) const {
    testing::pack(root_ / name, files);
    return root_ / name;
  }

  const fs::path root_ =
      fs::path(::testing::TempDir()) /
      fmt::format("{}_{}", ::testing::UnitTest::GetInstance()->current_test_info()->name(), getpid());
};

TEST(ShardsOf, APatternStandsForItsFiles) {
  EXPECT_THAT(*shards_of("a/b-{08..11}.tar.gz"),
              ElementsAre("a/b-08.tar.gz", "a/b-09.tar.gz", "a/b-10.tar.gz", "a/b-11.tar.gz"));
  EXPECT_THAT(*shards_of("{9..11}.tar"), ElementsAre("9.tar", "10.tar", "11.tar"));
  EXPECT_THAT(*shards_of("x{000..000}"), ElementsAre("x000"));
  EXPECT_THAT(*shards_of("{0..1}"), ElementsAre("0", "1"));
  EXPECT_EQ(shards_of("{00000..99999}.tar")->size(), 100'000U);
  for (const char* other : {"a.tar", "{a..b}.tar", "{0,1}.tar", "{0..}.tar", "{..1}.tar", "{0..1.tar", "0..1}.tar",
                            "{-1..1}.tar", "{0..1}/a.tar", "{}", ""}) {
    EXPECT_EQ(shards_of(other), std::nullopt) << other;
  }
}

TEST(ShardsOf, ARangeThatIsNoneIsRefused) {
  for (const char* wrong : {"p-{3..2}.tar", "p-{00..100}.tar", "p-{1..03}.tar", "p-{000000..100000}.tar",
                            "p-{0..99999999999999999999}.tar", "p-{99999999999999999998..99999999999999999999}.tar"}) {
    EXPECT_THAT(refusal([&] { shards_of(wrong); }),
                StartsWith(fmt::format("{}: expected a range of shards such as {{0000..0127}}, ", wrong)));
  }
  EXPECT_EQ(refusal([] { shards_of("{0..1}-{0..1}.tar"); }),
            "{0..1}-{0..1}.tar: expected one range of shards, got more");
}

TEST_F(ShardsTest, ManyArchivesAreOneTree) {
  pack("s-0.tar", {{"dog/", ""}, {"dog/2.jpg", "two"}, {"notes.txt", "of the first"}});
  pack("s-1.tar", {{"cat/1.jpg", "one"}, {"dog/", ""}, {"dog/1.jpg", "three"}, {"notes.txt", "of the second"}});
  const FileTreePtr tree = open_tree(root_ / "s-{0..1}.tar");
  using enum TreeEntry::Kind;
  EXPECT_THAT(tree->list(),
              ElementsAre(TreeEntry{"cat/1.jpg", image}, TreeEntry{"dog/", folder}, TreeEntry{"dog/1.jpg", image},
                          TreeEntry{"dog/2.jpg", image}, TreeEntry{"notes.txt", other}));
  const auto text = [](const std::vector<uint8_t>& bytes) { return std::string(bytes.begin(), bytes.end()); };
  EXPECT_EQ(text(tree->read("cat/1.jpg")), "one");
  EXPECT_EQ(text(tree->read("dog/2.jpg")), "two");
  EXPECT_EQ(text(tree->read_begin("dog/1.jpg", 2)), "th");
  EXPECT_EQ(text(tree->read_begin("dog/1.jpg", 200)), "three");
  EXPECT_EQ(tree->shard("dog/2.jpg"), 0U);
  EXPECT_EQ(tree->shard("dog/1.jpg"), 1U);
  EXPECT_TRUE(tree->has("dog/1.jpg"));
  EXPECT_FALSE(tree->has("notes.txt"));
  EXPECT_FALSE(tree->has("dog/3.jpg"));
  EXPECT_EQ(tree->name("dog/1.jpg"), (root_ / "s-1.tar").string() + ":dog/1.jpg");
  EXPECT_EQ(tree->name("dog"), (root_ / "s-{0..1}.tar").string() + ":dog");
  EXPECT_EQ(tree->name(""), (root_ / "s-{0..1}.tar").string());
  EXPECT_EQ(tree->stamp("dog/1.jpg")->file, (root_ / "s-1.tar").string() + ":dog/1.jpg");
  EXPECT_EQ(tree->stamp("dog/3.jpg"), std::nullopt);
  EXPECT_THAT(refusal([&] { tree->read("dog/3.jpg"); }), HasSubstr("s-{0..1}.tar:dog/3.jpg: no such file"));
}

TEST_F(ShardsTest, AFileOfThatVeryNameComesFirst) {
  pack("s-{0..1}.tar", {{"a/1.jpg", ""}});
  pack("s-0.tar", {{"b/1.jpg", ""}});
  pack("s-1.tar", {{"c/1.jpg", ""}});
  EXPECT_TRUE(open_tree(root_ / "s-{0..1}.tar")->has("a/1.jpg"));
}

TEST_F(ShardsTest, AFileInTwoShardsIsRefused) {
  pack("s-0.tar", {{"a/1.jpg", "x"}, {"a/2.jpg", "x"}});
  pack("s-1.tar", {{"a/3.jpg", "x"}});
  pack("s-2.tar", {{"./a/2.jpg", "x"}});
  EXPECT_EQ(
      refusal([&] { open_tree(root_ / "s-{0..2}.tar"); }),
      fmt::format("{0}/s-2.tar:a/2.jpg: is in another shard, too, {0}/s-0.tar; expected every file in one shard only",
                  root_.string()));
}

TEST_F(ShardsTest, TheFirstShardThatIsMissingOrDamagedIsNamed) {
  pack("s-0.tar", {{"a/1.jpg", "x"}});
  for (const char* name : {"s-1.tar", "s-2.tar", "s-4.tar"}) std::ofstream(root_ / name) << "no archive";
  EXPECT_EQ(
      refusal([&] { open_tree(root_ / "s-{0..9}.tar"); }),
      fmt::format("{0}/s-3.tar: no such file, expected because it is a shard of {0}/s-{{0..9}}.tar", root_.string()));
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(refusal([&] { open_tree(root_ / "s-{0..2}.tar"); }),
                StartsWith((root_ / "s-1.tar").string() + ": cannot be read as a tar or zip archive"));
  }
}

TEST_F(ShardsTest, ClassFoldersMayBeCutAnywhere) {
  testing::PackedFiles first, second;
  std::map<std::string, uint32_t> expected;  // shard by path
  for (const char* label : {"cat", "dog"}) {
    for (int i = 0; i < 5; ++i) {
      const std::string path = fmt::format("train/{}/{}.jpg", label, i);
      expected[path] = static_cast<uint32_t>(i % 2);
      (i % 2 == 0 ? first : second).emplace_back(path, image_bytes());
      fs::create_directories((root_ / "folder" / path).parent_path());
      std::ofstream(root_ / "folder" / path) << image_bytes();
    }
  }
  second.emplace_back("val/dog/1.jpg", image_bytes());
  pack("s-0.tar", first);
  pack("s-1.tar", second);
  const TrainVal shards = open_train_val(root_ / "s-{0..1}.tar");
  const DatasetPtr folder = open_dataset(root_ / "folder", Split::train);
  EXPECT_EQ(shards.val->size(), 1);
  EXPECT_EQ(shards.train->class_names(), folder->class_names());
  ASSERT_EQ(shards.train->size(), 10);
  EXPECT_EQ(hash_of(*shards.train), hash_of(*folder)) << "the same samples in the same order";
  const std::vector<int64_t> some{7, 0, 3};
  const DatasetPtr subset = make_subset(shards.train, some);
  for (int64_t i = 0; i < 10; ++i) {
    const std::string name = shards.train->name(i);
    EXPECT_EQ(shards.train->shard(i), expected.at(name.substr(name.rfind(':') + 1)));
  }
  for (size_t i = 0; i < some.size(); ++i) {
    EXPECT_EQ(subset->shard(static_cast<int64_t>(i)), shards.train->shard(some[i]));
  }
  EXPECT_EQ(folder->shard(9), 0U);
}

TEST_F(ShardsTest, ImagesWithoutClassesMayBeInShards) {
  pack("s-0.tar", {{"1.jpg", image_bytes()}});
  pack("s-1.tar", {{"2.jpg", image_bytes()}});
  const DatasetPtr images = open_unlabelled({root_ / "s-{0..1}.tar"});
  ASSERT_EQ(images->size(), 2);
  EXPECT_EQ(images->name(1), (root_ / "s-1.tar").string() + ":2.jpg");
  EXPECT_EQ(images->load(1).width(), 37);
}

}  // namespace
}  // namespace convoy
