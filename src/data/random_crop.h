// The part of a training image that is shown.
#pragma once

#include "core/random.h"
#include "data/augment.h"
#include "data/image.h"

namespace convoy {

// image_size x image_size pixels, as augmentation.crop says.
Image random_crop(ImageView image, const Preprocessing& preprocessing, const Augmentation& augmentation,
                  RandomStream random);

}  // namespace convoy
