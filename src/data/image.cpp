#include "data/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>

#include "convoy/error.h"
#include "data/decoders.h"
#include "data/orientation.h"

namespace convoy {
namespace {

std::string describe_start(std::span<const uint8_t> bytes) {
  if (has_bytes_at(bytes, 0, "%PDF")) return "it looks like a PDF";
  if (has_bytes_at(bytes, 4, "ftyp")) return "it looks like a video";
  std::string start;
  for (const uint8_t byte : bytes.first(std::min<size_t>(bytes.size(), 12))) {
    start += byte >= 32 && byte < 127 ? std::string(1, static_cast<char>(byte)) : fmt::format("\\x{:02x}", byte);
  }
  return fmt::format("it begins with \"{}\"", start);
}

// Turns an image upright: output pixel (x, y) is input pixel origin + x * step_x + y * step_y.
Image orient(const Image& image, int orientation) {
  const auto [from_right, from_bottom, transposed] = Turn(orientation);
  const ptrdiff_t column = from_right ? -3 : 3;
  const ptrdiff_t row = from_bottom ? -image.stride() : image.stride();
  const uint8_t* origin =
      image.row(from_bottom ? image.height() - 1 : 0) + (from_right ? ptrdiff_t{3} * (image.width() - 1) : 0);
  const ptrdiff_t step_x = transposed ? row : column;
  const ptrdiff_t step_y = transposed ? column : row;
  Image oriented(transposed ? image.height() : image.width(), transposed ? image.width() : image.height());
  for (int y = 0; y < oriented.height(); ++y) {
    const uint8_t* in = origin + y * step_y;
    uint8_t* out = oriented.row(y);
    for (int x = 0; x < oriented.width(); ++x, in += step_x, out += 3) std::copy_n(in, 3, out);
  }
  return oriented;
}

}  // namespace

Image copy_of(ImageView image) {
  Image copy(image.width, image.height);
  for (int y = 0; y < image.height; ++y) std::copy_n(image.row(y), copy.stride(), copy.row(y));
  return copy;
}

Image part_of(Image image, const PartChooser& choose) {
  if (!choose) return image;
  const Rectangle part = choose(image.width(), image.height());
  if (part == Rectangle{0, 0, image.width(), image.height()}) return image;
  return copy_of(image.view().crop(part));
}

void check_image_size(int64_t width, int64_t height, std::string_view name, const DecodeOptions& options) {
  if (width <= 0 || height <= 0) throw Error(fmt::format("{}: the image is empty ({}x{})", name, width, height));
  if (height > options.max_pixels / width) {
    throw Error(fmt::format("{}: the image has {}x{} pixels; at most {} million are accepted", name, width, height,
                            options.max_pixels / 1'000'000));
  }
}

UnsupportedImage lacks_library(std::string_view name, std::string_view what_needs, std::string_view library,
                               std::string_view package) {
  return UnsupportedImage(
      fmt::format("{}: {} {}, which this build lacks; install {} and build again", name, what_needs, library, package));
}

DecodedImage decode_stored(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  if (bytes.empty()) throw Error(fmt::format("{}: the file is empty", name));
  const std::optional<FileFormat> format = format_by_content(bytes);
  if (!format)
    throw Error(fmt::format("{}: not a JPEG, PNG or other image that is read; {}", name, describe_start(bytes)));
  switch (*format) {
    case FileFormat::jpeg: return decode_jpeg(bytes, name, options);
    case FileFormat::png: return decode_png(bytes, name, options);
    case FileFormat::webp: return decode_webp(bytes, name, options);
    case FileFormat::bmp: return decode_bmp(bytes, name, options);
    case FileFormat::gif: return decode_gif(bytes, name, options);
    case FileFormat::tiff: return decode_tiff(bytes, name, options);
    case FileFormat::avif: return decode_avif(bytes, name, options);
    case FileFormat::heif: return decode_heif(bytes, name, options);
    case FileFormat::pnm: return decode_pnm(bytes, name, options);
  }
  return {};
}

Image decode_image(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options,
                   std::string* damage) {
  DecodedImage decoded = decode_stored(bytes, name, options);
  if (damage != nullptr && !decoded.damage.empty()) {
    *damage = fmt::format("{}: damaged {}: {}", name, to_string(decoded.format), decoded.damage);
  }
  Image image = decoded.orientation == 1 ? std::move(decoded.image) : orient(decoded.image, decoded.orientation);
  return decoded.is_part ? std::move(image) : part_of(std::move(image), options.part);
}

std::vector<uint8_t> read_file(const std::filesystem::path& file) {
  const auto fail = [&] {
    return FileError(fmt::format("{}: cannot be read: {}", file.string(), std::generic_category().message(errno)));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.c_str(), "rb"), std::fclose);
  if (!stream) throw fail();
  constexpr uint64_t kMost = uint64_t{1} << 30, kBlock = uint64_t{1} << 16;
  std::error_code unknown;
  const uint64_t size = std::filesystem::file_size(file, unknown);
  // One byte more than there is, to see the end in one go. A pipe has no size.
  const size_t block = unknown ? kBlock : std::min(size, kMost) + 1;
  std::vector<uint8_t> bytes;
  for (size_t got = block; got == block;) {
    if (bytes.size() > kMost || (!unknown && size > kMost)) {
      throw Error(fmt::format("{}: is larger than {} MiB, the most that is read", file.string(), kMost >> 20));
    }
    const size_t begin = bytes.size();
    bytes.resize(begin + block);
    got = std::fread(bytes.data() + begin, 1, block, stream.get());
    bytes.resize(begin + got);
  }
  if (std::ferror(stream.get()) != 0) throw fail();
  return bytes;
}

}  // namespace convoy
