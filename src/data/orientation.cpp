#include "data/orientation.h"

#include <optional>

#include "data/byte_reader.h"
#include "data/file_format.h"

namespace convoy {
namespace {

// Tag 0x0112 of the first directory; nullopt where that is missing, 0 where it is no whole number.
std::optional<uint32_t> exif_orientation(std::span<const uint8_t> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  while (has_bytes_at(exif, 0, kPrefix)) exif = exif.subspan(kPrefix.size());
  if (!has_bytes_at(exif, 0, "II") && !has_bytes_at(exif, 0, "MM")) return std::nullopt;
  constexpr size_t kEntry = 12;
  constexpr uint32_t kOrientation = 0x0112, kShort = 3, kLong = 4;
  const auto number = [&, order = exif[0] == 'I' ? ByteOrder::little : ByteOrder::big](size_t offset, size_t size) {
    return number_at(exif, offset, size, order);
  };
  const size_t directory = number(4, 4);
  const size_t entries = number(directory, 2);
  std::optional<uint32_t> found;
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntry;
    if (number(entry, 2) != kOrientation) continue;
    const uint32_t type = number(entry + 2, 2);
    found = type == kShort ? number(entry + 8, 2) : type == kLong ? number(entry + 8, 4) : 0;
  }
  return found;
}

// The digit in tiff:Orientation="6" or <tiff:Orientation>6<.
uint32_t xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName)) {
    xmp.remove_prefix(at + kName.size());
    std::string_view value = xmp;
    if (value.starts_with("=\"")) {
      value.remove_prefix(2);
    } else if (value.starts_with('>')) {
      value.remove_prefix(1);
    } else {
      continue;
    }
    if (!value.empty() && value[0] >= '0' && value[0] <= '9') return static_cast<uint32_t>(value[0] - '0');
  }
  return 0;
}

}  // namespace

int orientation_of(std::span<const uint8_t> exif, std::string_view xmp) {
  const std::optional<uint32_t> recorded = exif_orientation(exif);
  const uint32_t orientation = recorded ? *recorded : xmp_orientation(xmp);
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

}  // namespace convoy
