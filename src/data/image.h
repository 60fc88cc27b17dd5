// Images in memory, and how files become one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "convoy/error.h"
#include "data/file_format.h"

namespace convoy {

// Pixels [left, left + width) of the rows [top, top + height).
struct Rectangle {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;

  friend bool operator==(const Rectangle&, const Rectangle&) = default;
};

// A rectangle of somebody else's 8-bit RGB pixels; rows are `stride` bytes apart.
struct ImageView {
  const uint8_t* pixels = nullptr;
  int width = 0;
  int height = 0;
  ptrdiff_t stride = 0;

  const uint8_t* row(int y) const { return pixels + y * stride; }
  // The part must lie inside.
  ImageView crop(const Rectangle& part) const {
    return {row(part.top) + ptrdiff_t{3} * part.left, part.width, part.height, stride};
  }
};

// 8-bit RGB pixels, interleaved, rows without gaps.
class Image {
 public:
  static constexpr int kChannels = 3;

  Image() = default;
  // Pixels start undefined.
  Image(int width, int height) { reshape(width, height); }

  // Pixels become undefined. The memory stays where it suffices.
  void reshape(int width, int height) {
    width_ = width;
    height_ = height;
    if (pixels_ && bytes() <= capacity_) return;
    pixels_ = std::make_unique_for_overwrite<uint8_t[]>(bytes());
    capacity_ = bytes();
  }

  int width() const { return width_; }
  int height() const { return height_; }
  ptrdiff_t stride() const { return ptrdiff_t{kChannels} * width_; }
  size_t bytes() const { return kChannels * static_cast<size_t>(width_) * static_cast<size_t>(height_); }
  uint8_t* row(int y) { return pixels_.get() + y * stride(); }
  const uint8_t* row(int y) const { return pixels_.get() + y * stride(); }
  ImageView view() const { return {pixels_.get(), width_, height_, stride()}; }

 private:
  int width_ = 0;
  int height_ = 0;
  size_t capacity_ = 0;
  std::unique_ptr<uint8_t[]> pixels_;
};

Image copy_of(ImageView image);

// Which part of an image is wanted, asked once, when its size is known; not empty, and within the image.
using PartChooser = std::function<Rectangle(int width, int height)>;

// What `choose` wants of the image; without it, all.
Image part_of(Image image, const PartChooser& choose);

struct DecodeOptions {
  // Larger images are refused before any memory is allocated for them.
  int64_t max_pixels = int64_t{1} << 28;
  // Of the upright image; empty: all of it. JPEGs are decoded faster where that is less.
  PartChooser part = {};
  // Its pixels are given up: JPEGs are decoded into its memory.
  Image* recycled = nullptr;
};

// An image that is sound, but of a kind that is not read.
class UnsupportedImage : public Error {
 public:
  using Error::Error;
};

// Decodes an image file of any FileFormat, told apart by their first bytes; of an animation, the first frame. Pixels
// are those of Pillow 13's ImageOps.exif_transpose(Image.open(file)).convert("RGB"): gray and CMYK converted, alpha
// dropped, palettes resolved, the orientation applied; docs/formats.md lists what differs. What part is wanted changes
// neither its pixels nor what is said of damage. Damage that leaves all of
// the pixels decodable is told in `damage`, where that is given, by a line that begins with `name`. Throws Error that
// begins with `name` when the bytes are damaged beyond that, truncated, too large or something else.
Image decode_image(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options = {},
                   std::string* damage = nullptr);

enum class StoredColors : uint8_t { rgb, gray, cmyk };

// What a file holds: its pixels as stored, and the orientation (1 to 8) that they still need.
struct DecodedImage {
  DecodedImage() = default;
  DecodedImage(FileFormat stored_format, Image pixels) : image(std::move(pixels)), format(stored_format) {}

  Image image;
  int orientation = 1;
  FileFormat format = FileFormat::jpeg;
  StoredColors colors = StoredColors::rgb;
  bool is_part = false;  // whether `image` is only what DecodeOptions::part asked for
  std::string damage;    // what is wrong with the file, although its pixels could be decoded; empty: nothing
};

// decode_image without turning the pixels upright.
DecodedImage decode_stored(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options = {});

// The whole content of a file. Throws Error when it cannot be read or is larger than 1 GiB.
std::vector<uint8_t> read_file(const std::filesystem::path& file);

}  // namespace convoy
