#include "cli/table.h"

#include <gtest/gtest.h>

namespace convoy::cli {
namespace {

const Table kTable{.header = {"run", "network", "top-1", "epochs"},
                   .rows = {{"a", "resnet18", "0.9", "20/20"}, {"bé", "vgg11", "0.85", "3/20"}},
                   .left_columns = 2};

TEST(Table, AlignsItsColumns) {
  const std::string whole =
      "run  network   top-1  epochs\n"
      "a    resnet18    0.9   20/20\n"
      "bé   vgg11      0.85    3/20\n";
  EXPECT_EQ(to_text(kTable), whole);
  EXPECT_EQ(to_text(kTable, 28), whole);
}

TEST(Table, ComesInPartsWhereTheTerminalIsNarrow) {
  const std::string parts =
      "run  network   top-1\n"
      "a    resnet18    0.9\n"
      "bé   vgg11      0.85\n"
      "\n"
      "run  network   epochs\n"
      "a    resnet18   20/20\n"
      "bé   vgg11       3/20\n";
  EXPECT_EQ(to_text(kTable, 27), parts);
  EXPECT_EQ(to_text(kTable, 1), parts);
}

TEST(Table, OfOneColumnIsAList) {
  const Table list{.header = {"network"}, .rows = {{"vgg11"}}};
  EXPECT_EQ(to_text(list, 3), "network\nvgg11\n");
  EXPECT_EQ(to_text(list), "network\nvgg11\n");
}

TEST(Table, MarkdownHasEscapes) {
  EXPECT_EQ(to_markdown({.header = {"a|b", "n"}, .rows = {{"x|y", "1"}}}),
            "| a\\|b | n |\n|---|---:|\n| x\\|y | 1 |\n");
}

}  // namespace
}  // namespace convoy::cli
