// The part of a training image that is shown.
#pragma once

#include "core/random.h"
#include "data/augment.h"
#include "data/image.h"

namespace convoy {

// How an image of that size becomes image_size x image_size pixels, as augmentation.crop says; a padded crop's are then
// shifted.
Resizer crop_resizer(int width, int height, const Preprocessing& preprocessing, const Augmentation& augmentation,
                     RandomStream random);

// The second half of a padded crop, the same stream's.
Image shifted(const Image& image, const Augmentation& augmentation, RandomStream random);

}  // namespace convoy
