#include "report/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <vector>

#include "convoy/error.h"

namespace convoy {
namespace {

const std::vector<std::string> kColumns = {"epoch", "loss"};

class Csv : public testing::Test {
 protected:
  Csv() { std::filesystem::remove(path_); }
  ~Csv() override { std::filesystem::remove(path_); }

  std::string text() const {
    std::ifstream stream(path_);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("convoy_csv_") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".csv");
};

TEST_F(Csv, EachRowIsInTheFileAtOnce) {
  CsvWriter writer(path_, kColumns);
  EXPECT_EQ(text(), "epoch,loss\n");
  writer.append(std::vector<double>{1, 2.25});
  EXPECT_EQ(text(), "epoch,loss\n1,2.25\n");
  writer.append(std::vector<double>{2, std::numeric_limits<double>::quiet_NaN()});
  EXPECT_EQ(text(), "epoch,loss\n1,2.25\n2,nan\n");
}

TEST_F(Csv, ResumingKeepsTheRowsBeforeAndDropsTheRest) {
  std::ofstream(path_) << "epoch,loss\n1,3\n2,2\n3,1\n4,";
  CsvWriter(path_, kColumns, 2).append(std::vector<double>{3, 0.5});
  EXPECT_EQ(text(), "epoch,loss\n1,3\n2,2\n3,0.5\n");
}

TEST_F(Csv, ResumingDropsARowThatWasCutShort) {
  std::ofstream(path_) << "epoch,loss\n1,3\n2,";
  CsvWriter(path_, kColumns, 2).append(std::vector<double>{2, 0.5});
  EXPECT_EQ(text(), "epoch,loss\n1,3\n2,0.5\n");
}

TEST_F(Csv, AForeignHeaderIsRefusedAndTheFileLeftAlone) {
  std::ofstream(path_) << "step,accuracy\n1,3\n";
  EXPECT_THROW(CsvWriter(path_, kColumns), Error);
  EXPECT_EQ(text(), "step,accuracy\n1,3\n");
}

TEST(CsvOnAFullDisk, ThrowsWithTheReason) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  try {
    OutputFile("/dev/full").append("x");
    FAIL() << "the write should have failed";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/dev/full: cannot write: No space left on device");
  }
}

TEST(OutputFile, NamesAFolderThatIsNotThere) { EXPECT_THROW(OutputFile("/nonexistent/results.csv"), Error); }

}  // namespace
}  // namespace convoy
