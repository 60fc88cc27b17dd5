// Mixing of the samples of a batch.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "data/augment.h"

namespace convoy {

// A sample of Gamma(alpha, 1), alpha positive.
double gamma_sample(double alpha, RandomStream& random);

// A sample of Beta(alpha, alpha), alpha positive.
double beta_sample(double alpha, RandomStream& random);

// Mixes sample i with sample samples - 1 - i (timm's Mixup): MixUp blends them (Zhang et al., arXiv 1710.09412), CutMix
// shows a rectangle of the other (Yun et al., arXiv 1905.04899), whose share of the area is its share of the target.
// The augmentation says how often, and for which samples a mixture is drawn. Of an odd number the middle one stays.
// images: {samples, side, side, 3}, targets: {samples, classes}; both are changed in place.
void mix(float* images, float* targets, int64_t samples, int64_t side, int64_t classes,
         const Augmentation& augmentation, RandomStream random);

}  // namespace convoy
