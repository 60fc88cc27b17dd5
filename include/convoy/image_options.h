// What can be chosen about how images are read, resized and augmented.
//
// Threads: these are values, as an int is.
#pragma once

#include <cstdint>

namespace convoy {

enum class OnBadImage : uint8_t {
  strict,  // as `error`, and damage that an image can be read in spite of is an Error, too
  error,   // an image that cannot be read is an Error that names its file
  skip     // it is left out, and training takes the next one in its place
};

enum class ResizeMode : uint8_t {
  crop,   // the shorter side to image_size / crop_pct, then the centre image_size x image_size (torchvision, timm)
  squash  // both sides to image_size, whatever the shape
};

enum class Interpolation : uint8_t { nearest, box, bilinear, bicubic };

// The part of an image to train on.
enum class TrainCrop : uint8_t {
  none,    // as in evaluation
  padded,  // resized to image_size, crop_padding pixels put on every side, image_size cut out anywhere
  resized  // a part of random area and shape, resized to image_size (torchvision's RandomResizedCrop)
};

enum class CropPaddingMode : uint8_t {
  zero,    // black
  reflect  // the image mirrored at its border pixels, which are not repeated
};

enum class FlipMode : uint8_t {
  random,    // every time anew
  alternate  // drawn once for each sample, then mirrored in every second epoch (arXiv 2404.00498)
};

// What an erased rectangle shows, of the normalised image.
enum class EraseMode : uint8_t {
  constant,  // 0, the mean colour
  color,     // a colour drawn from the normal distribution
  pixels     // every value drawn from the normal distribution
};

enum class MixMode : uint8_t {
  batch,   // one mixture for all samples
  pair,    // one for two samples
  element  // one for each sample
};

}  // namespace convoy
