// What the tests of commands that train share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/photos.h"
#include "tests/support/process.h"

namespace convoy {

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline int64_t lines_in(const std::filesystem::path& path) { return std::ranges::count(text_of(path), '\n'); }

// A folder with `photos`: ten cats and ten dogs of CIFAR-10; commands run in it.
class TrainCli : public testing::Test {
 protected:
  TrainCli() {
    make_photos(folder_.path());
    options_.folder = folder_.path();
  }

  // `convoy train photos` with what makes it quick, then `more`.
  Finished train(const std::vector<std::string>& more, const std::string& data = "photos") {
    return run_convoy(arguments(more, data), options_);
  }

  static std::vector<std::string> arguments(const std::vector<std::string>& more, const std::string& data = "photos") {
    std::vector<std::string> words = {"train",        data, "--model",  "resnet9", "--img-size", "32",
                                      "--batch-size", "4",  "--epochs", "1",       "--workers",  "1",
                                      "--experiment", "run"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  static void expect_refused(const Finished& finished, int code, const std::string& start) {
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_THAT(finished.err, testing::StartsWith(start));
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
  }

  std::filesystem::path first_image(const std::string& label) const {
    std::vector<std::filesystem::path> images;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / ("photos/" + label)))
      images.push_back(entry.path());
    return *std::ranges::min_element(images);
  }

  TemporaryFolder folder_;
  ProcessOptions options_;
};

}  // namespace convoy
