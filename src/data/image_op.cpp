#include "data/image_op.h"

#include "data/color.h"

namespace convoy {

void apply(const ImageStep& step, const Warp& warp, Image& image) {
  const double argument = step.argument;
  const auto factor = static_cast<float>(argument);
  switch (step.op) {
    case ImageOp::identity: break;
    case ImageOp::shear_x: image = affine(image.view(), {1, argument, 0, 0, 1, 0}, warp); break;
    case ImageOp::shear_y: image = affine(image.view(), {1, 0, 0, argument, 1, 0}, warp); break;
    case ImageOp::translate_x: image = affine(image.view(), {1, 0, argument, 0, 1, 0}, warp); break;
    case ImageOp::translate_y: image = affine(image.view(), {1, 0, 0, 0, 1, argument}, warp); break;
    case ImageOp::rotate: image = rotate(image.view(), argument, warp); break;
    case ImageOp::brightness: change_brightness(image, factor); break;
    case ImageOp::color: change_saturation(image, factor); break;
    case ImageOp::contrast: change_contrast(image, factor); break;
    case ImageOp::sharpness: change_sharpness(image, factor); break;
    case ImageOp::posterize: posterize(image, static_cast<int>(argument)); break;
    case ImageOp::solarize: solarize(image, argument); break;
    case ImageOp::solarize_add: add_to_dark(image, static_cast<int>(argument)); break;
    case ImageOp::auto_contrast: auto_contrast(image); break;
    case ImageOp::equalize: equalize(image); break;
    case ImageOp::invert: invert(image); break;
  }
}

}  // namespace convoy
