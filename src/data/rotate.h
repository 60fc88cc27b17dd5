// Rotation of an image about its centre.
#pragma once

#include "data/image.h"

namespace convoy {

// Pillow's Image.rotate(degrees), pixel for pixel: counter-clockwise, nearest neighbour, same size, black where the
// input does not reach. Sides must be below 32768.
Image rotate(ImageView input, double degrees);

}  // namespace convoy
