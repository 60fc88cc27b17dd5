// What random transforms do, compared with the counts of other programs' in tests/data/draws.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/ppm.h"

namespace convoy::testing {

// How often each outcome came.
using Counts = std::map<std::string, double>;

inline Counts read_counts(const std::filesystem::path& path) {
  Counts counts;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t space = line.rfind(' ');
    counts[line.substr(0, space)] = std::stod(line.substr(space + 1));
  }
  return counts;
}

// Expects the frequency of every outcome to be as recorded in NAME.txt, up to five standard deviations of the two
// samples' difference.
inline void expect_as_recorded(Counts drawn, const std::string& name) {
  Counts recorded = read_counts(data_folder() / "draws" / (name + ".txt"));
  double draws = 0, recorded_draws = 0;
  for (const auto& entry : drawn) draws += entry.second;
  for (const auto& entry : recorded) {
    recorded_draws += entry.second;
    drawn.try_emplace(entry.first, 0);
  }
  ASSERT_GT(recorded_draws, 0) << name;
  for (const auto& [outcome, count] : drawn) {
    const double expected = recorded[outcome];
    const double share = (count + expected) / (draws + recorded_draws);
    EXPECT_NEAR(count / draws, expected / recorded_draws, 5 * std::sqrt(share * (1 / draws + 1 / recorded_draws)))
        << name << ": " << outcome;
  }
}

}  // namespace convoy::testing
