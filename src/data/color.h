// Changes of an image's colours.
#pragma once

#include "data/image.h"

namespace convoy {

// As Pillow's ImageEnhance, pixel for pixel; a factor of 1 changes nothing.
void change_brightness(Image& image, float factor);  // 0: black
void change_contrast(Image& image, float factor);    // 0: the mean gray
void change_saturation(Image& image, float factor);  // 0: gray

}  // namespace convoy
