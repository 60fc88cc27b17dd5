#include "report/prediction_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/chart.h"

namespace convoy {
namespace {

constexpr double kLeastWidth = 240, kMostSide = 1024;
constexpr double kLine = 24, kFont = 14, kPadding = 8;

}  // namespace

Picture draw_predictions(const ImageView& image, std::span<const Prediction> classes) {
  const double width = image.width, height = image.height;
  // A small image is enlarged as far as its height allows.
  const double scale = std::min(kMostSide / std::max(width, height), std::max(1.0, kLeastWidth / width));
  const double picture_width = std::max(kLeastWidth, std::round(width * scale));
  const Rect photo{(picture_width - width * scale) / 2, 0, width * scale, std::max(1.0, std::round(height * scale))};
  Picture picture(picture_width, photo.height + static_cast<double>(classes.size()) * kLine);
  picture.image(image, photo);
  double top = photo.height;
  for (const Prediction& prediction : classes) {
    picture.fill({0, top + 1, picture_width * prediction.probability, kLine - 2}, shade(0.25));
    const std::string probability = fmt::format("{:.3f}", prediction.probability);
    const TextStyle name_style{.size = kFont}, style{.size = kFont, .anchor = TextStyle::Anchor::right};
    const double room = picture_width - 3 * kPadding - picture.text_width(probability, style);
    const double middle = top + kLine / 2;
    picture.text(shortened(picture, prediction.class_name, name_style, room), {kPadding, middle}, name_style);
    picture.text(probability, {picture_width - kPadding, middle}, style);
    top += kLine;
  }
  return picture;
}

}  // namespace convoy
