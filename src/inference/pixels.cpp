#include "inference/pixels.h"

#include <fmt/format.h>

#include <array>

#include "convoy/error.h"

namespace convoy {
namespace {

// Where the channels of a format are.
struct Channels {
  int64_t count;
  std::array<int64_t, 3> places;  // of red, green and blue
};

Channels channels_of(Pixels::Format format) {
  using enum Pixels::Format;
  switch (format) {
    case gray: return {1, {0, 0, 0}};
    case rgb: return {3, {0, 1, 2}};
    case bgr: return {3, {2, 1, 0}};
    case rgba: return {4, {0, 1, 2}};
    case bgra: return {4, {2, 1, 0}};
  }
  throw UsageError("pixels: unknown format");
}

}  // namespace

Image to_image(const Pixels& pixels) {
  const auto [channels, places] = channels_of(pixels.format);
  if (pixels.width < 1 || pixels.height < 1) {
    throw UsageError(fmt::format("pixels: expected 1x1 at least, got {}x{}", pixels.width, pixels.height));
  }
  const int64_t row = channels * pixels.width, stride = pixels.stride == 0 ? row : pixels.stride;
  if (stride < row) {
    throw UsageError(fmt::format("pixels: expected a stride of at least the {} bytes of a row, got {}", row, stride));
  }
  const auto bytes = static_cast<int64_t>(pixels.bytes.size());
  if (bytes < row || (bytes - row) / stride < pixels.height - 1) {
    throw UsageError(
        fmt::format("pixels: expected {} rows of {} bytes, {} apart, got {} bytes", pixels.height, row, stride, bytes));
  }
  Image image(pixels.width, pixels.height);
  for (int y = 0; y < pixels.height; ++y) {
    const uint8_t* from = pixels.bytes.data() + y * stride;
    uint8_t* to = image.row(y);
    for (int x = 0; x < pixels.width; ++x, from += channels) {
      for (const int64_t place : places) *to++ = from[place];
    }
  }
  return image;
}

}  // namespace convoy
