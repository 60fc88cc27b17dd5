#include "data/content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "convoy/error.h"

namespace convoy {
namespace {

using testing::HasSubstr;

// Files and samples that are none, which have two pixels beside or above each other.
class Samples : public Dataset {
 public:
  explicit Samples(std::vector<std::vector<uint8_t>> files, bool tall = false)
      : files_(std::move(files)), tall_(tall) {}
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  const std::vector<std::string>& class_names() const override { return names_; }
  int label(int64_t) const override { return 0; }
  std::string name(int64_t index) const override { return std::to_string(index); }
  std::optional<std::vector<uint8_t>> encoded(int64_t index) const override {
    const auto& file = files_[static_cast<size_t>(index)];
    return file.empty() ? std::nullopt : std::optional(file);
  }
  Image load(int64_t) const override {
    Image image(tall_ ? 1 : 2, tall_ ? 2 : 1);
    for (uint8_t i = 0; i < 6; ++i) image.row(0)[i] = i;
    return image;
  }

 private:
  std::vector<std::vector<uint8_t>> files_;
  std::vector<std::string> names_ = {"cat"};
  bool tall_;
};

TEST(Content, IsTheSameForCopiesAndDiffersInEveryByte) {
  std::vector<uint8_t> bytes(1001, 7);
  std::vector<std::vector<uint8_t>> files = {bytes, bytes};
  for (size_t i = 0; i < bytes.size(); ++i) {
    files.push_back(bytes);
    files.back()[i] ^= 1;
  }
  for (const size_t size : {1U, 8U, 1000U, 1002U}) files.emplace_back(size, 7);
  const Samples samples(files);
  EXPECT_EQ(content_of(samples, 0), content_of(samples, 1));
  std::set<uint64_t> seen;
  for (int64_t i = 1; i < samples.size(); ++i) {
    EXPECT_LT(content_of(samples, i), uint64_t{1} << 48);
    seen.insert(content_of(samples, i));
  }
  EXPECT_EQ(seen.size(), files.size() - 1);
}

TEST(Content, OfSamplesThatAreNoFilesIsThatOfSizeAndPixels) {
  using Files = std::vector<std::vector<uint8_t>>;
  EXPECT_EQ(content_of(Samples(Files(1)), 0), content_of(Samples(Files(2)), 1));
  EXPECT_NE(content_of(Samples(Files(1)), 0), content_of(Samples(Files(1), true), 0));
}

TEST(ContentSet, ComesBackFromItsText) {
  const ContentSet set({0xFFFFFFFFFFFF, 3, 0xABC, 3});
  EXPECT_EQ(set.to_text(), "000000000003000000000abcffffffffffff");
  EXPECT_EQ(ContentSet::from_text(set.to_text()), set);
  EXPECT_TRUE(set.contains(3));
  EXPECT_FALSE(set.contains(4));
  EXPECT_TRUE(ContentSet::from_text("").empty());
}

TEST(ContentSet, RefusesOtherTexts) {
  for (const char* text : {"00000000000", "0000000000030", "00000000000g", "-00000000003", "000000000003000000000003",
                           "000000000004000000000003"}) {
    try {
      ContentSet::from_text(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("ascending numbers of 12 hexadecimal digits"));
    }
  }
}

}  // namespace
}  // namespace convoy
