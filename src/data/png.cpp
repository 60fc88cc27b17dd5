#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "convoy/error.h"
#include "data/decoders.h"

namespace convoy {
namespace {

// libpng leaves by longjmp, so everything that calls it runs inside attempt(), in code without destructors.
class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, std::string_view name) : left_(bytes), name_(name) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw Error(fmt::format("{}: no memory to decode it", name_));
    }
    png_set_read_fn(png_, this, read);
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  png_structp png() { return png_; }
  png_infop info() { return info_; }

  template <class Step>
  void attempt(Step step) {
    if (!succeeds(step)) throw Error(fmt::format("{}: damaged PNG: {}", name_, message_.data()));
  }

 private:
  template <class Step>
  bool succeeds(Step& step) {
    if (setjmp(jump_) != 0) return false;
    step();
    return true;
  }

  static void on_error(png_structp png, png_const_charp message) {
    auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
    std::strncpy(reader->message_.data(), message, reader->message_.size() - 1);
    std::longjmp(reader->jump_, 1);
  }

  static void read(png_structp png, png_bytep out, size_t count) {
    auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
    if (count > reader->left_.size()) png_error(png, "the file ends too early");
    std::copy_n(reader->left_.data(), count, out);
    reader->left_ = reader->left_.subspan(count);
  }

  std::span<const uint8_t> left_;
  std::string_view name_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  std::array<char, 128> message_{};
};

int stored_orientation(png_structp png, png_infop info) {
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(png, info, &size, &exif) == 0) return 1;
  return exif_orientation({exif, size});
}

}  // namespace

DecodedImage decode_png(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  Reader reader(bytes, name);
  png_structp png = reader.png();
  png_infop info = reader.info();
  reader.attempt([&] { png_read_info(png, info); });
  check_image_size(png_get_image_width(png, info), png_get_image_height(png, info), name, options);
  const int type = png_get_color_type(png, info);
  size_t row_bytes = 0;
  reader.attempt([&] {
    png_set_strip_16(png);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    row_bytes = png_get_rowbytes(png, info);
  });
  DecodedImage decoded{
      Image(static_cast<int>(png_get_image_width(png, info)), static_cast<int>(png_get_image_height(png, info))), 1,
      FileFormat::png, (type & PNG_COLOR_MASK_COLOR) == 0 ? StoredColors::gray : StoredColors::rgb};
  Image& image = decoded.image;
  if (row_bytes != static_cast<size_t>(image.stride())) {
    throw Error(fmt::format("{}: PNG with a row of {} bytes, expected {}", name, row_bytes, image.stride()));
  }
  std::vector<png_bytep> rows(static_cast<size_t>(image.height()));
  for (int y = 0; y < image.height(); ++y) rows[static_cast<size_t>(y)] = image.row(y);
  reader.attempt([&] {
    png_read_image(png, rows.data());
    png_read_end(png, info);
  });
  decoded.orientation = stored_orientation(png, info);
  return decoded;
}

}  // namespace convoy
