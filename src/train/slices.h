// What the slices of a batch share that one process computes one after another.
#pragma once

#include <string>
#include <vector>

#include "plan/variables.h"

namespace convoy {

// Running statistics: each slice starts from those of before the batch, and its mean over the slices, by their share of
// the samples, stays. Ranks of a world do the same, to the same bits (train/rank_sums.h).
class SliceStatistics {
 public:
  // names: of variables that outlive this.
  SliceStatistics(const Variables& variables, std::vector<std::string> names);

  // Before the first slice of a batch.
  void begin();
  // After each: takes what it has left, and puts back what was before the batch.
  void take(double share);
  // After the last.
  void finish() const;

 private:
  const Variables& variables_;
  std::vector<std::string> names_;
  std::vector<std::vector<float>> before_, mean_;  // of each
};

}  // namespace convoy
