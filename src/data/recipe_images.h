// The images of a run, as its recipe describes them.
#pragma once

#include "convoy/recipe.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/transform.h"

namespace convoy {

// The training and validation images; val is null when there are none. Throws UsageError when the recipe asks for a
// split of data that has validation images of its own, Error as open_train_val and match_classes do.
TrainVal open_run_data(const Recipe& recipe);

// image_size: what the recipe leaves open is settled.
Preprocessing preprocessing_of(const Recipe& recipe, int64_t image_size);
// Throws UsageError when fields contradict each other; the policy and what depends on the size remain to be checked.
Augmentation augmentation_of(const Recipe& recipe);

}  // namespace convoy
