// Pixels of a caller as an image.
#pragma once

#include "convoy/pixels.h"
#include "data/image.h"

namespace convoy {

// Copies pixels, which may be anything. Throws UsageError where they are not what they say.
Image to_image(const Pixels& pixels);

}  // namespace convoy
