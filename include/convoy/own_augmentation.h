// Augmentations of a program's own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "convoy/export_macro.h"

namespace convoy {

// An image to be changed in place: red, green and blue of 8 bits each, rows from top to bottom without gaps.
struct MutablePixels {
  std::span<uint8_t> bytes;
  int width = 0;
  int height = 0;
};

// Changes an image. The seed is a random number that is a function of the run's seed, the epoch and the sample: whoever
// uses no other source of randomness trains to the same bits with any number of threads, and after a resume. Called
// from several threads at once. An exception ends the run, as an Error that names the augmentation.
using AugmentFunction = std::function<void(MutablePixels rgb, uint64_t seed)>;

// Makes an augmentation known to recipes under a name, which `aa` may then be. It happens where `augment-order` has aa:
// in the usual order on the crop, which is of the image size. Not while another thread uses recipes. Throws Error when
// the name is taken, or might be a built-in policy with settings.
CONVOY_API void add_augmentation(std::string name, AugmentFunction augment);

// The names that add_augmentation was given.
CONVOY_API std::vector<std::string> augmentation_names();

}  // namespace convoy
