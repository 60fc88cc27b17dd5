// Random Erasing (Zhong et al., arXiv 1708.04896), as timm's and torchvision's: 2 to 33 % of the area, shared by the
// rectangles, whose sides are in a ratio of 0.3 to 3.3.
#pragma once

#include "core/random.h"
#include "data/augment.h"
#include "data/image.h"

namespace convoy {

// Of a normalised image {side, side, 3}; erase_mode says what the rectangles show.
void erase_values(float* image, int side, const Augmentation& augmentation, RandomStream random);

// Of pixels, which become black.
void erase_pixels(Image& image, const Augmentation& augmentation, RandomStream random);

}  // namespace convoy
