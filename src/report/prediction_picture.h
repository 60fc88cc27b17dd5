// An image with the classes that it was given.
#pragma once

#include <span>

#include "convoy/classifier.h"
#include "report/picture.h"

namespace convoy {

// The image, at most 1024 pixels on its longer side and at least 240 wide, above a line for each class: its name, its
// probability, and a bar as long as that.
Picture draw_predictions(const ImageView& image, std::span<const Prediction> classes);

}  // namespace convoy
