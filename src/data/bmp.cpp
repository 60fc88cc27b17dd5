#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "convoy/error.h"
#include "data/byte_reader.h"
#include "data/decoders.h"

namespace convoy {
namespace {

enum class Compression : uint32_t { none = 0, rle8 = 1, rle4 = 2, bit_fields = 3 };
using Color = std::array<uint8_t, 3>;

struct Header {
  int64_t width = 0;
  int64_t height = 0;
  bool top_down = false;
  uint32_t bits = 0;
  Compression compression = Compression::none;
  std::array<uint32_t, 3> masks{};  // of red, green and blue, for bit_fields
  std::vector<Color> palette;       // 256 colours where bits <= 8
  bool gray = false;                // every colour of the palette is gray
  size_t pixels = 0;                // where they begin in the file
};

UnsupportedImage unsupported(std::string_view name, std::string_view what) {
  return UnsupportedImage(fmt::format("{}: a kind of BMP that is not supported ({}); convert it", name, what));
}

// The headers begin behind the 14 bytes of the file's own: OS/2's of 12 bytes, and Windows' of 40 to 124.
Header read_header(std::span<const uint8_t> bytes, std::string_view name) {
  constexpr size_t kBegin = 14, kOs2 = 12, kWindows = 40, kWithMasks = 52;
  const auto u16 = [&](size_t at) { return number_at(bytes, kBegin + at, 2, ByteOrder::little); };
  const auto u32 = [&](size_t at) { return number_at(bytes, kBegin + at, 4, ByteOrder::little); };
  const size_t size = u32(0);
  constexpr std::array<size_t, 7> kSizes{kOs2, kWindows, kWithMasks, 56, 64, 108, 124};
  if (std::ranges::find(kSizes, size) == kSizes.end()) throw unsupported(name, fmt::format("header of {} bytes", size));
  if (bytes.size() < kBegin + size) throw Error(fmt::format("{}: damaged BMP: the file ends too early", name));
  Header header;
  size_t end = kBegin + size, colors = 0, color_bytes = 3;
  if (size == kOs2) {
    header.width = u16(4);
    header.height = u16(6);
    header.bits = u16(10);
  } else {
    header.width = u32(4);
    header.top_down = bytes[kBegin + 11] == 0xFF;
    header.height = header.top_down ? (int64_t{1} << 32) - u32(8) : u32(8);
    header.bits = u16(14);
    header.compression = static_cast<Compression>(u32(16));
    colors = u32(32);
    color_bytes = 4;
    if (header.compression == Compression::bit_fields) {
      for (size_t i = 0; i < header.masks.size(); ++i) header.masks[i] = u32(kWindows + 4 * i);
      if (size < kWithMasks) end += 4 * header.masks.size();
    }
  }
  if (header.bits <= 8) {
    if (colors == 0 || colors > 256) colors = size_t{1} << header.bits;
    header.palette.resize(256);
    header.gray = true;
    for (size_t i = 0; i < colors; ++i) {
      Color& color = header.palette[i];
      for (size_t c = 0; c < 3; ++c) {
        color[c] = static_cast<uint8_t>(number_at(bytes, end + color_bytes * i + 2 - c, 1, ByteOrder::little));
      }
      header.gray = header.gray && color[0] == color[1] && color[1] == color[2];
    }
    end += color_bytes * colors;
  }
  const size_t recorded = number_at(bytes, 10, 4, ByteOrder::little);
  header.pixels = recorded == 0 || recorded == kBegin + size ? end : recorded;
  return header;
}

// Indices into the palette, in the order of the file, each run length packet writing on where the last one ended.
class RleDecoder {
 public:
  RleDecoder(std::span<const uint8_t> bytes, size_t begin, size_t width, size_t height, bool rle4)
      : bytes_(bytes), at_(std::min(begin, bytes.size())), width_(width), rle4_(rle4), indices_(width * height) {}

  // False when the pixels end too early.
  bool decode() {
    size_t x = 0;
    while (written_ < indices_.size() && bytes_.size() - at_ >= 2) {
      const size_t count = bytes_[at_], value = bytes_[at_ + 1];
      at_ += 2;
      if (count > 0) {
        const size_t kept = std::min(count, width_ - std::min(x, width_));
        for (size_t i = 0; i < kept; ++i) put(rle4_ ? (i % 2 == 0 ? value >> 4 : value & 15) : value);
        x += kept;
      } else if (value == kEndOfLine) {
        written_ = (written_ + width_ - 1) / width_ * width_;
        x = 0;
      } else if (value == kEndOfImage) {
        break;
      } else if (value == kMove) {
        if (bytes_.size() - at_ < 2) break;
        written_ += bytes_[at_] + bytes_[at_ + 1] * width_;
        at_ += 2;
        x = written_ % width_;
      } else {
        if (!copy(value)) break;
        x += value;
      }
    }
    return written_ >= indices_.size();
  }

  const std::vector<uint8_t>& indices() const { return indices_; }

 private:
  static constexpr size_t kEndOfLine = 0, kEndOfImage = 1, kMove = 2;

  void put(size_t index) {
    if (written_ < indices_.size()) indices_[written_] = static_cast<uint8_t>(index);
    ++written_;
  }

  // `count` pixels as they are, padded to an even place in the file.
  bool copy(size_t count) {
    count = std::min(count, indices_.size() - written_);
    const size_t needed = rle4_ ? (count + 1) / 2 : count;
    if (bytes_.size() - at_ < needed) return false;
    for (size_t i = 0; i < count; ++i) {
      const size_t byte = bytes_[at_ + (rle4_ ? i / 2 : i)];
      put(!rle4_ ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
    }
    at_ += needed;
    if (at_ % 2 != 0 && at_ < bytes_.size()) ++at_;
    return true;
  }

  std::span<const uint8_t> bytes_;
  size_t at_;
  size_t width_;
  bool rle4_;
  std::vector<uint8_t> indices_;
  size_t written_ = 0;  // may go beyond the end
};

// A channel of a pixel of 16 or 32 bits: the value under a mask of neighbouring bits, scaled to 255.
struct Channel {
  explicit Channel(uint32_t mask) {
    if (mask == 0) return;
    while ((mask >> shift & 1) == 0) ++shift;
    most = mask >> shift;
  }
  uint8_t operator()(uint32_t pixel) const { return static_cast<uint8_t>((pixel >> shift & most) * 255 / most); }

  uint32_t shift = 0;
  uint32_t most = 1;
};

// The masks of red, green and blue, those that Pillow reads.
std::array<uint32_t, 3> masks_of(const Header& header, std::string_view name) {
  using Masks = std::array<uint32_t, 3>;
  constexpr Masks k555{0x7C00, 0x3E0, 0x1F}, k565{0xF800, 0x7E0, 0x1F}, k888{0xFF0000, 0xFF00, 0xFF};
  const Masks usual = header.bits == 16 ? k555 : k888;
  if (header.compression != Compression::bit_fields) return usual;
  const Masks& masks = header.masks;
  if (header.bits == 32 && masks == Masks{}) return usual;
  constexpr std::array<Masks, 4> k32{k888, Masks{0xFF000000, 0xFF0000, 0xFF00}, Masks{0xFF000000, 0xFF00, 0xFF},
                                     Masks{0xFF, 0xFF00, 0xFF0000}};
  const bool known = header.bits == 32   ? std::ranges::find(k32, masks) != k32.end()
                     : header.bits == 16 ? masks == k555 || masks == k565
                                         : masks == k888;
  if (!known) throw unsupported(name, fmt::format("masks {:x}, {:x}, {:x}", masks[0], masks[1], masks[2]));
  return masks;
}

void decode_row(const Header& header, const std::array<Channel, 3>& channels, std::span<const uint8_t> row,
                Image& image, int y) {
  uint8_t* out = image.row(y);
  for (size_t x = 0; x < static_cast<size_t>(image.width()); ++x, out += 3) {
    if (header.bits <= 8) {
      const size_t bit = x * header.bits;
      const uint32_t index = row[bit / 8] >> (8 - header.bits - bit % 8) & ((1U << header.bits) - 1);
      std::ranges::copy(header.palette[index], out);
    } else {
      const size_t size = header.bits / 8;
      const uint32_t pixel = number_at(row, x * size, size, ByteOrder::little);
      for (size_t c = 0; c < 3; ++c) out[c] = channels[c](pixel);
    }
  }
}

}  // namespace

DecodedImage decode_bmp(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  const Header header = read_header(bytes, name);
  check_image_size(header.width, header.height, name, options);
  constexpr std::array<uint32_t, 6> kBits{1, 4, 8, 16, 24, 32};
  if (std::ranges::find(kBits, header.bits) == kBits.end())
    throw unsupported(name, fmt::format("{} bits", header.bits));
  const Compression compression = header.compression;
  const bool rle = compression == Compression::rle4 || compression == Compression::rle8;
  if (compression > Compression::bit_fields || (header.bits <= 8 && compression == Compression::bit_fields) ||
      (header.bits > 8 && rle)) {
    throw unsupported(name, fmt::format("{} bits, compression {}", header.bits, static_cast<uint32_t>(compression)));
  }
  const auto width = static_cast<size_t>(header.width), height = static_cast<size_t>(header.height);
  const auto ends_early = [&] { return Error(fmt::format("{}: damaged BMP: the file ends too early", name)); };
  DecodedImage decoded;
  decoded.format = FileFormat::bmp;
  if (header.gray) decoded.colors = StoredColors::gray;
  const auto row_of = [&](size_t y) { return static_cast<int>(header.top_down ? y : height - 1 - y); };
  if (rle) {
    RleDecoder decoder(bytes, header.pixels, width, height, compression == Compression::rle4);
    if (!decoder.decode()) throw ends_early();
    decoded.image = Image(static_cast<int>(width), static_cast<int>(height));
    for (size_t y = 0; y < height; ++y) {
      uint8_t* out = decoded.image.row(row_of(y));
      for (size_t x = 0; x < width; ++x)
        out = std::ranges::copy(header.palette[decoder.indices()[y * width + x]], out).out;
    }
    return decoded;
  }
  const size_t row_bytes = (width * header.bits + 7) / 8, stride = (row_bytes + 3) / 4 * 4;
  if (header.pixels > bytes.size() || bytes.size() - header.pixels < stride * (height - 1) + row_bytes)
    throw ends_early();
  std::array<Channel, 3> channels{Channel(0), Channel(0), Channel(0)};
  if (header.bits > 8)
    std::ranges::transform(masks_of(header, name), channels.begin(), [](uint32_t m) { return Channel(m); });
  decoded.image = Image(static_cast<int>(width), static_cast<int>(height));
  for (size_t y = 0; y < height; ++y) {
    decode_row(header, channels, bytes.subspan(header.pixels + y * stride, row_bytes), decoded.image, row_of(y));
  }
  return decoded;
}

}  // namespace convoy
