// What the slices of a batch share that a process computes one after another.
#pragma once

#include <string>
#include <vector>

#include "core/world.h"
#include "plan/variables.h"

namespace convoy {

// Running statistics: each slice starts from those of before the batch, and their mean over the slices of all ranks, by
// their share of the samples, stays. Ranks that compute one slice each do the same, to the same bits
// (train/rank_sums.h).
class SliceStatistics {
 public:
  // names: of variables that outlive this; world: null where this process is alone.
  SliceStatistics(const Variables& variables, std::vector<std::string> names, World* world);

  // Before the first slice of a batch.
  void begin();
  // After each, on all ranks: takes what it has left, and puts back what was before the batch.
  void take(double share);
  // After the last.
  void finish() const;

 private:
  const Variables& variables_;
  std::vector<std::string> names_;
  World* world_;
  std::vector<std::vector<float>> before_;  // of each
  std::vector<float> mean_;                 // of all, one behind the other
};

}  // namespace convoy
