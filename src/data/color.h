// Changes of an image's colours, each as Pillow computes it, pixel for pixel.
#pragma once

#include "data/image.h"

namespace convoy {

// ImageEnhance; a factor of 1 changes nothing.
void change_brightness(Image& image, float factor);  // 0: black
void change_contrast(Image& image, float factor);    // 0: the mean gray
void change_saturation(Image& image, float factor);  // 0: gray
void change_sharpness(Image& image, float factor);   // 0: smoothed

// torchvision's adjust_hue: shift, in [-0.5, 0.5], is the part of the colour circle that every hue moves on.
void shift_hue(Image& image, double shift);

// ImageOps
void posterize(Image& image, int bits);         // keeps the upper bits, 0 to 8, of every value
void solarize(Image& image, double threshold);  // inverts the values from the threshold on
void auto_contrast(Image& image);               // stretches every channel to [0, 255]
void equalize(Image& image);                    // makes all values of a channel about equally frequent
void invert(Image& image);

// timm's SolarizeAdd: adds to the values below 128.
void add_to_dark(Image& image, int amount);

}  // namespace convoy
