#include "cli/help.h"

#include <gtest/gtest.h>

#include <sstream>

namespace convoy::cli {
namespace {

const std::string kHelp =
    "Classify images with a trained network\n"
    "\n"
    "Options:\n"
    "  -h,--help                   Print this help message and exit\n"
    "  --a-flag-with-a-long-name FILE\n"
    "                              A model file or a run folder [that of the newest run under runs/]\n"
    "\n"
    "Examples:\n"
    "  convoy predict new/ --checkpoint runs/birds/best.safetensors --top-k 1\n"
    "An image that cannot be read is named on standard error, and the exit status is 1.\n";

TEST(FitHelp, DescriptionsStayInTheirColumn) {
  EXPECT_EQ(fit_help(kHelp, 60),
            "Classify images with a trained network\n"
            "\n"
            "Options:\n"
            "  -h,--help                   Print this help message and\n"
            "                              exit\n"
            "  --a-flag-with-a-long-name FILE\n"
            "                              A model file or a run folder\n"
            "                              [that of the newest run under\n"
            "                              runs/]\n"
            "\n"
            "Examples:\n"
            "  convoy predict new/ --checkpoint runs/birds/best.safetensors --top-k 1\n"
            "An image that cannot be read is named on standard error, and\n"
            "the exit status is 1.\n");
}

TEST(FitHelp, ANarrowTerminalGivesUpTheColumn) {
  EXPECT_EQ(fit_help("  -h,--help                   Print this help message and exit\n", 40),
            "  -h,--help                   Print this\n"
            "  help message and exit\n");
}

TEST(FitHelp, NoLineIsWiderThanItMustBe) {
  for (int width = 20; width <= 120; ++width) {
    std::istringstream lines(fit_help(kHelp, width));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("  convoy")) continue;
      const bool is_one_word = line.find_last_of(' ') == std::string::npos || line.find_first_not_of(' ') > 20 ||
                               line.starts_with("  --a-flag");
      EXPECT_TRUE(line.size() <= static_cast<size_t>(width) || is_one_word) << width << ": " << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
    }
  }
  EXPECT_EQ(fit_help(kHelp, 200), kHelp);
  EXPECT_EQ(fit_help(kHelp, 0), kHelp);
}

}  // namespace
}  // namespace convoy::cli
