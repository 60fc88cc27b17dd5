// The images of a run, as its recipe describes them.
#pragma once

#include "convoy/recipe.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "data/transform.h"

namespace convoy {

// The training and validation images; val is null when there are none. Throws UsageError when the recipe asks for a
// split of data that has validation images of its own, Error as open_train_val and match_classes do.
TrainVal open_run_data(const Recipe& recipe);

// A hash of the names, without their folders, and the labels of all images.
uint64_t hash_of(const Dataset& dataset);

// What a loader does about bad images; `skipping`: what it means to skip them, in training or in evaluation.
OnBadImage on_bad_image(Recipe::OnBadImage choice, OnBadImage skipping);

// image_size: what the recipe leaves open is settled.
Preprocessing preprocessing_of(const Recipe& recipe, int64_t image_size);
// Throws UsageError when fields contradict each other; the policy and what depends on the size remain to be checked.
Augmentation augmentation_of(const Recipe& recipe);

}  // namespace convoy
