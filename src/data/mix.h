// Mixing of the samples of a batch.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "data/transform.h"

namespace convoy {

// A sample of Beta(alpha, alpha), alpha positive.
double beta_sample(double alpha, RandomStream& random);

// Mixes sample i with sample samples - 1 - i, for the whole batch alike (timm's Mixup, mode "batch"): MixUp blends them
// (Zhang et al., arXiv 1710.09412), CutMix replaces a rectangle (Yun et al., arXiv 1905.04899); where the augmentation
// has both, each with probability 1/2. Does nothing where it has neither.
// images: {samples, side, side, 3}, targets: {samples, classes}; both are changed in place.
void mix(float* images, float* targets, int64_t samples, int64_t side, int64_t classes,
         const Augmentation& augmentation, RandomStream random);

}  // namespace convoy
