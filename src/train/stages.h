// The parts of a run that differ in image size and regularisation (progressive learning) or in what is frozen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convoy/recipe.h"

namespace convoy {

struct Stage {
  int64_t end_epoch = 0;  // the first that is of the next stage
  int64_t image_size = 0;
  std::optional<double> drop;
  double mixup = 0;
  std::string aa;
  bool frozen = false;  // what the recipe freezes is
};

// The stages of a recipe whose image size is settled, one where it has no others: the epochs in equal parts, all else
// in equal steps from the first stage's to the last's (Tan and Le, arXiv 2104.00298, algorithm 1). One that is frozen
// only up to an epoch within it is two.
std::vector<Stage> stages_of(const Recipe& recipe);

// The number of the stage that an epoch is of; of the last one for those that follow.
size_t stage_at(const std::vector<Stage>& stages, int64_t epoch);

// The epochs after `epoch`, each counted as its images' pixels against those of `epoch`, of a run of `run_epochs`, of
// which the last may be a part.
double later_epochs(const std::vector<Stage>& stages, int64_t epoch, double run_epochs);

}  // namespace convoy
