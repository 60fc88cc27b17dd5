#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "convoy/error.h"
#include "data/byte_reader.h"
#include "data/decoders.h"
#include "data/orientation.h"

namespace convoy {
namespace {

// libpng leaves by longjmp, so everything that calls it runs inside succeeds(), in code without destructors. It is
// given the whole file at once and calls back: what goes wrong after the last row does not matter then.
class Reader {
 public:
  Reader(Image& image, std::string_view name) : image_(image) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw MemoryError(fmt::format("{}: no memory to decode it", name));
    }
    png_set_progressive_read_fn(png_, this, on_info, on_row, on_end);
    png_set_crc_action(png_, PNG_CRC_WARN_USE, PNG_CRC_WARN_DISCARD);
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // False where an error stopped it; message() says which.
  bool succeeds(std::span<const uint8_t> bytes) {
    if (setjmp(jump_) != 0) return false;
    png_process_data(png_, info_, const_cast<png_bytep>(bytes.data()), bytes.size());
    return true;
  }

  png_structp png() { return png_; }
  png_infop info() { return info_; }
  bool all_rows() const { return all_rows_; }
  bool ended() const { return ended_; }
  std::string message() const { return message_.data(); }  // the last error or warning of a checksum; may be empty

 private:
  static Reader& of(png_structp png) { return *static_cast<Reader*>(png_get_progressive_ptr(png)); }

  void note(png_const_charp message) { std::strncpy(message_.data(), message, message_.size() - 1); }

  static void on_error(png_structp png, png_const_charp message) {
    auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
    reader->note(message);
    std::longjmp(reader->jump_, 1);
  }

  // Of what libpng warns of, only wrong checksums and broken compression mean damage.
  static void on_warning(png_structp png, png_const_charp message) {
    const std::string_view text(message);
    if (text.starts_with("IHDR") || text.starts_with("PLTE")) png_error(png, message);
    if (text.ends_with("CRC error") || text.starts_with("IDAT")) {
      static_cast<Reader*>(png_get_error_ptr(png))->note(message);
    }
  }

  static void on_info(png_structp png, png_infop info) {
    const int type = png_get_color_type(png, info);
    png_set_strip_16(png);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != static_cast<size_t>(of(png).image_.stride())) png_error(png, "odd rows");
  }

  // In an interlaced image the last row of the last pass comes without pixels where there are none.
  static void on_row(png_structp png, png_bytep pixels, png_uint_32 y, int pass) {
    Reader& reader = of(png);
    if (pixels != nullptr) png_progressive_combine_row(png, reader.image_.row(static_cast<int>(y)), pixels);
    constexpr int kLastPass = 6;
    const bool last = png_get_interlace_type(png, reader.info_) == PNG_INTERLACE_NONE || pass == kLastPass;
    if (last && y + 1 == static_cast<png_uint_32>(reader.image_.height())) reader.all_rows_ = true;
  }

  static void on_end(png_structp png, png_infop /*info*/) { of(png).ended_ = true; }

  Image& image_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  std::array<char, 128> message_{};
  bool all_rows_ = false;
  bool ended_ = false;
};

// The bytes that ImageMagick writes as text: three lines of preamble, then hexadecimal digits.
std::vector<uint8_t> raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  std::vector<uint8_t> bytes;
  int digits = 0, value = 0;
  for (const char letter : text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const size_t digit = kDigits.find(static_cast<char>(letter >= 'A' && letter <= 'F' ? letter - 'A' + 'a' : letter));
    if (digit == std::string_view::npos) continue;
    value = value * 16 + static_cast<int>(digit);
    if (++digits % 2 == 0) bytes.push_back(static_cast<uint8_t>(std::exchange(value, 0)));
  }
  return bytes;
}

// The content of the last chunk of EXIF, which libpng passes over when it calls back.
std::span<const uint8_t> exif_chunk(std::span<const uint8_t> bytes) {
  constexpr size_t kSignature = 8, kHeader = 8, kChecksum = 4;
  std::span<const uint8_t> exif, left = bytes.subspan(kSignature);
  while (left.size() >= kHeader) {
    const size_t size = number_at(left, 0, 4, ByteOrder::big);
    if (size > left.size() - kHeader) break;
    if (has_bytes_at(left, 4, "eXIf")) exif = left.subspan(kHeader, size);
    left = left.subspan(std::min(left.size(), kHeader + size + kChecksum));
  }
  return exif;
}

int stored_orientation(std::span<const uint8_t> bytes, png_structp png, png_infop info) {
  std::vector<uint8_t> raw_exif;
  std::string_view xmp;
  png_textp texts = nullptr;
  int count = 0;
  png_get_text(png, info, &texts, &count);
  for (const png_text& text : std::span(texts, static_cast<size_t>(count))) {
    const std::string_view key = text.key;
    const std::string_view value(text.text, std::max(text.text_length, text.itxt_length));
    if (key == "Raw profile type exif") raw_exif = raw_profile(value);
    if (key == "XML:com.adobe.xmp") xmp = value;
  }
  const std::span<const uint8_t> exif = exif_chunk(bytes);
  return orientation_of(exif.empty() ? raw_exif : exif, xmp);
}

}  // namespace

DecodedImage decode_png(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  constexpr size_t kHeaderEnd = 24;
  if (bytes.size() < kHeaderEnd || !has_bytes_at(bytes, 12, "IHDR")) {
    throw Error(fmt::format("{}: damaged PNG: its header is missing", name));
  }
  const int64_t width = number_at(bytes, 16, 4, ByteOrder::big), height = number_at(bytes, 20, 4, ByteOrder::big);
  check_image_size(width, height, name, options);
  DecodedImage decoded(FileFormat::png, Image(static_cast<int>(width), static_cast<int>(height)));
  Reader reader(decoded.image, name);
  reader.succeeds(bytes);
  if (!reader.all_rows()) {
    const std::string reason = reader.message();
    throw Error(fmt::format("{}: damaged PNG: {}", name, reason.empty() ? "the file ends too early" : reason));
  }
  decoded.damage = reader.message();
  if (decoded.damage.empty() && !reader.ended()) decoded.damage = "its last chunk, IEND, is missing";
  if ((png_get_color_type(reader.png(), reader.info()) & PNG_COLOR_MASK_COLOR) == 0)
    decoded.colors = StoredColors::gray;
  decoded.orientation = stored_orientation(bytes, reader.png(), reader.info());
  return decoded;
}

}  // namespace convoy
