// In which order an epoch goes through a dataset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace convoy {

// Each sample once an epoch. Where they are shuffled, so that files are read from end to end, the shards are, and then
// the samples among those of a window of consecutive shards; a dataset without shards is one window.
class SampleOrder {
 public:
  // Samples of a window, but for whole shards, and for the last one, which is longer.
  static constexpr size_t kWindow = 16384;

  SampleOrder(const Dataset& dataset, bool shuffles, uint64_t seed);

  // A function of dataset, seed and epoch alone.
  std::vector<uint32_t> of_epoch(int64_t epoch) const;

 private:
  const bool shuffles_;
  const uint64_t seed_;
  std::vector<std::vector<uint32_t>> shards_;  // the samples of each; unless they are shuffled, all as one
};

}  // namespace convoy
