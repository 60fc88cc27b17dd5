// README's tour, as far as it trains and evaluates, typed as it stands there on 48 photos.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "tests/support/train_cli.h"

namespace convoy {
namespace {

// The first line of README that begins so, as words without "convoy".
std::vector<std::string> line_of_readme(const std::string& begin) {
  std::istringstream readme(text_of(CONVOY_SOURCE_DIR "/README.md"));
  for (std::string line; std::getline(readme, line);) {
    if (!line.starts_with(begin)) continue;
    std::istringstream stream(line.substr(std::string("convoy ").size()));
    return {std::istream_iterator<std::string>(stream), {}};
  }
  return {};
}

// The number that the only group of `pattern` finds.
double number_in(const std::string& text, const std::string& pattern) {
  std::smatch match;
  EXPECT_TRUE(std::regex_search(text, match, std::regex(pattern))) << pattern << " in\n" << text;
  return match.size() == 2 ? std::stod(match[1]) : -1;
}

TEST(Tour, EvalGivesTheAccuracyThatTrainGave) {
  const TemporaryFolder folder;
  const std::string unpack = "tar -xzf " CONVOY_SOURCE_DIR "/data/cifar10-sample.tar.gz -C " + folder.path().string() +
                             " --wildcards 'test/bird/00*' 'test/bird/01[0-5]*' 'test/cat/00*' 'test/cat/01[0-5]*' "
                             "'test/dog/00*' 'test/dog/01[0-5]*'";
  ASSERT_EQ(std::system(unpack.c_str()), 0);
  std::filesystem::rename(folder / "test", folder / "photos");
  ProcessOptions options;
  options.folder = folder.path();

  std::vector<std::string> train = line_of_readme("convoy train photos --val-split");
  ASSERT_FALSE(train.empty());
  // The network and its images are smaller for the sake of time.
  for (const auto& [in_readme, here] : {std::pair{"resnet18", "resnet9"}, {"128", "32"}, {"20", "6"}}) {
    const auto word = std::ranges::find(train, in_readme);
    ASSERT_NE(word, train.end()) << in_readme;
    *word = here;
  }
  const Finished trained = run_convoy(train, options);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.out, testing::HasSubstr(" 39 training and 9 validation images"));

  const Finished evaluated = run_convoy(line_of_readme("convoy eval photos"), options);
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_EQ(number_in(evaluated.out, "9 images: loss .*, acc ([0-9.]+), calibration"),
            number_in(trained.out, "best epoch: .*, val acc ([0-9.]+), "));
  EXPECT_THAT(evaluated.err, testing::Not(testing::HasSubstr("warning")));
}

}  // namespace
}  // namespace convoy
