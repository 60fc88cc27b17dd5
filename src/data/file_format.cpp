#include "data/file_format.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

#include "core/text.h"

namespace convoy {
namespace {

using enum FileFormat;

// The brand of an ISO base media file, the major one or one of those it is compatible with.
std::optional<FileFormat> format_by_brand(std::span<const uint8_t> bytes) {
  if (!has_bytes_at(bytes, 4, "ftyp")) return std::nullopt;
  constexpr std::array<std::pair<std::string_view, FileFormat>, 10> kBrands{{{"avif", avif},
                                                                             {"avis", avif},
                                                                             {"heic", heif},
                                                                             {"heix", heif},
                                                                             {"heim", heif},
                                                                             {"heis", heif},
                                                                             {"hevc", heif},
                                                                             {"hevx", heif},
                                                                             {"mif1", heif},
                                                                             {"msf1", heif}}};
  // "mif1" says only that it is an image; a brand that names the codec decides.
  std::optional<FileFormat> found;
  for (const auto& [brand, format] : kBrands) {
    for (const unsigned offset : {8U, 16U, 20U, 24U, 28U}) {
      if (!found && has_bytes_at(bytes, offset, brand)) found = format;
    }
  }
  return found;
}

}  // namespace

std::string_view to_string(FileFormat format) {
  switch (format) {
    case jpeg: return "JPEG";
    case png: return "PNG";
    case webp: return "WebP";
    case bmp: return "BMP";
    case gif: return "GIF";
    case tiff: return "TIFF";
    case avif: return "AVIF";
    case heif: return "HEIC";
    case pnm: return "PNM";
  }
  return "";
}

std::optional<FileFormat> format_by_name(const std::filesystem::path& file) {
  constexpr std::array<std::pair<std::string_view, FileFormat>, 17> kExtensions{{{".jpg", jpeg},
                                                                                 {".jpeg", jpeg},
                                                                                 {".jfif", jpeg},
                                                                                 {".jpe", jpeg},
                                                                                 {".png", png},
                                                                                 {".webp", webp},
                                                                                 {".bmp", bmp},
                                                                                 {".dib", bmp},
                                                                                 {".gif", gif},
                                                                                 {".tif", tiff},
                                                                                 {".tiff", tiff},
                                                                                 {".avif", avif},
                                                                                 {".heic", heif},
                                                                                 {".heif", heif},
                                                                                 {".pgm", pnm},
                                                                                 {".ppm", pnm},
                                                                                 {".pbm", pnm}}};
  const std::string extension = lower_case(file.extension().string());
  const auto found = std::ranges::find(kExtensions, extension, &std::pair<std::string_view, FileFormat>::first);
  return found == kExtensions.end() ? std::nullopt : std::optional(found->second);
}

std::optional<FileFormat> format_by_content(std::span<const uint8_t> bytes) {
  const auto begins = [&](std::string_view magic) { return has_bytes_at(bytes, 0, magic); };
  if (begins("\xFF\xD8\xFF")) return jpeg;
  if (begins("\x89PNG\r\n\x1A\n")) return png;
  if (begins("RIFF") && has_bytes_at(bytes, 8, "WEBP")) return webp;
  if (begins("GIF87a") || begins("GIF89a")) return gif;
  using namespace std::string_view_literals;
  if (begins("II*\0"sv) || begins("MM\0*"sv)) return tiff;
  // "BM" alone begins many a text; the two reserved fields of a bitmap are zero.
  if (begins("BM") && has_bytes_at(bytes, 6, "\0\0\0\0"sv)) return bmp;
  if (bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' && std::isspace(bytes[2]) != 0)
    return pnm;
  return format_by_brand(bytes);
}

bool has_bytes_at(std::span<const uint8_t> bytes, size_t offset, std::string_view wanted) {
  return bytes.size() >= offset + wanted.size() &&
         std::equal(wanted.begin(), wanted.end(), bytes.begin() + static_cast<ptrdiff_t>(offset),
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

}  // namespace convoy
