#include "inference/predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "convoy/error.h"

namespace convoy {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kNames = {"cat, tabby", "dog"};

class PredictionsTest : public testing::Test {
 protected:
  ~PredictionsTest() override { std::filesystem::remove(path_); }

  std::string complaint(const std::string& text) const {
    std::ofstream(path_) << text;
    try {
      read_predictions(path_, kNames);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  const std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) / "convoy_predictions.csv";
};

TEST_F(PredictionsTest, EveryBitComesBack) {
  const std::vector<ImageOutcome> outcomes = {
      {.image = "photos/\"a\", b.jpg", .label = 0, .predicted = 1, .confidence = 2.0 / 3, .rank = 1, .loss = 1e-300},
      {.image = "c.png", .label = 1, .predicted = 1, .confidence = 1, .rank = 0, .loss = 0}};
  write_predictions(path_, kNames, outcomes);
  EXPECT_EQ(read_predictions(path_, kNames), outcomes);
}

TEST_F(PredictionsTest, DamageIsNamed) {
  const std::string header = "image,class,predicted,confidence,rank,loss\n";
  EXPECT_EQ(complaint(header + "a,dog,dog,1,0,0\n"), "");
  EXPECT_THAT(complaint(""), HasSubstr("convoy_predictions.csv: its first line is not that of a predictions.csv"));
  EXPECT_THAT(complaint("epoch,loss\n"), HasSubstr("its first line is not"));
  EXPECT_THAT(complaint(header + "a,dog,dg,1,0,0\n"), HasSubstr("row 2: unknown class 'dg' (did you mean 'dog'?)"));
  EXPECT_THAT(complaint(header + "a,dog,dog,1,0,0\na,dog,dog,x,0,0\n"), HasSubstr("row 3: expected a number, got"));
  EXPECT_THAT(complaint(header + "a,dog,dog,1,0\n"), HasSubstr("row 2 has 5 cells"));
}

}  // namespace
}  // namespace convoy
