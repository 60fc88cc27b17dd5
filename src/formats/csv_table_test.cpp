#include "formats/csv_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"

namespace convoy {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string complaint(std::string_view text) {
  try {
    parse_csv(text, "t.csv");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(CsvTable, EveryCellComesBack) {
  const Rows rows = {{"image", "class"}, {"a,b.jpg", "say \"cheese\""}, {"", "two\nlines"}, {"caf\xC3\xA9", "\r"}};
  std::string text;
  for (const auto& row : rows) text += csv_row(row);
  EXPECT_EQ(parse_csv(text, "t.csv"), rows);
  EXPECT_EQ(csv_row(rows[1]), "\"a,b.jpg\",\"say \"\"cheese\"\"\"\n");
}

TEST(CsvTable, ReadsWhatSpreadsheetsWrite) {
  EXPECT_EQ(parse_csv("a,b\r\n1,\"2\"\r\n,\r\n", "t.csv"), (Rows{{"a", "b"}, {"1", "2"}, {"", ""}}));
  EXPECT_EQ(parse_csv("a\nb", "t.csv"), (Rows{{"a"}, {"b"}}));
  EXPECT_EQ(parse_csv("", "t.csv"), Rows());
}

TEST(CsvTable, SaysWhatIsWrong) {
  EXPECT_EQ(complaint("a,b\n1,\"2\n"), "t.csv: row 2: a quote is not closed");
  EXPECT_EQ(complaint("a,b\n1,\"2\"x\n"), "t.csv: row 2: expected a comma or the end of the line after a quote");
  EXPECT_EQ(complaint("a\n1\"2\n"), "t.csv: row 2: a quote inside a cell that has none around it");
  EXPECT_EQ(complaint("a,b\n1,2\n3\n"), "t.csv: row 3 has 1 cells, expected 2 as in the first");
}

}  // namespace
}  // namespace convoy
