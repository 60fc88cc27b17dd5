#ifdef CONVOY_HAS_GIF
#include <gif_lib.h>
#endif
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "convoy/error.h"
#include "data/decoders.h"

namespace convoy {

#ifdef CONVOY_HAS_GIF

namespace {

using Palette = std::array<std::array<uint8_t, 3>, 256>;

// The file, as giflib asks for it. Behind the end come zeros: no more blocks of data.
struct Source {
  std::span<const uint8_t> left;
  bool ended = false;

  static int read(GifFileType* file, GifByteType* out, int count) {
    auto& source = *static_cast<Source*>(file->UserData);
    const size_t wanted = static_cast<size_t>(std::max(0, count));
    const size_t got = std::min(wanted, source.left.size());
    std::copy_n(source.left.data(), got, out);
    std::fill(out + got, out + wanted, GifByteType{0});
    source.left = source.left.subspan(got);
    source.ended = source.ended || got < wanted;
    return count;
  }
};

Error damaged(std::string_view name, int code) {
  const char* reason = GifErrorString(code);
  return Error(fmt::format("{}: damaged GIF: {}", name, reason == nullptr ? "it cannot be decoded" : reason));
}

struct CloseGif {
  void operator()(GifFileType* file) const { DGifCloseFile(file, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, CloseGif>;

// Reads until the first frame begins, and returns the index that is transparent in it.
std::optional<uint8_t> seek_frame(GifFileType* gif, const Source& source, std::string_view name) {
  std::optional<uint8_t> transparent;
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif, &type) == GIF_ERROR) throw damaged(name, gif->Error);
    if (type == IMAGE_DESC_RECORD_TYPE) break;
    if (type != EXTENSION_RECORD_TYPE || source.ended)
      throw Error(fmt::format("{}: damaged GIF: it has no image", name));
    int code = 0;
    GifByteType* block = nullptr;
    if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) throw damaged(name, gif->Error);
    constexpr int kGraphicsControl = 0xF9;
    if (code == kGraphicsControl && block != nullptr && block[0] >= 4 && (block[1] & 1) != 0) transparent = block[4];
    while (block != nullptr) {
      if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) throw damaged(name, gif->Error);
    }
  }
  if (DGifGetImageDesc(gif) == GIF_ERROR) throw damaged(name, gif->Error);
  return transparent;
}

Palette palette_of(const ColorMapObject* colors) {
  Palette palette{};
  for (size_t i = 0; i < palette.size(); ++i) {
    if (colors == nullptr) {
      palette[i].fill(static_cast<uint8_t>(i));
    } else if (i < static_cast<size_t>(colors->ColorCount)) {
      palette[i] = {colors->Colors[i].Red, colors->Colors[i].Green, colors->Colors[i].Blue};
    }
  }
  return palette;
}

// The rows of a frame in the order of the file: where it is interlaced, every 8th, then those between.
std::vector<int> row_order(int height, bool interlaced) {
  std::vector<int> rows;
  const auto add = [&](int first, int step) {
    for (int y = first; y < height; y += step) rows.push_back(y);
  };
  if (!interlaced) {
    add(0, 1);
    return rows;
  }
  add(0, 8);
  add(4, 8);
  add(2, 4);
  add(1, 2);
  return rows;
}

}  // namespace

DecodedImage decode_gif(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  Source source{bytes};
  int code = 0;
  const Gif gif(DGifOpen(&source, Source::read, &code));
  if (!gif) throw damaged(name, code);
  const std::optional<uint8_t> transparent = seek_frame(gif.get(), source, name);
  const GifImageDesc& frame = gif->Image;
  const int width = std::max<int>(gif->SWidth, frame.Left + frame.Width);
  const int height = std::max<int>(gif->SHeight, frame.Top + frame.Height);
  check_image_size(width, height, name, options);
  const ColorMapObject* colors = frame.ColorMap != nullptr ? frame.ColorMap : gif->SColorMap;
  const Palette palette = palette_of(colors);
  DecodedImage decoded(FileFormat::gif, Image(width, height));
  if (std::ranges::all_of(palette, [](const auto& c) { return c[0] == c[1] && c[1] == c[2]; })) {
    decoded.colors = StoredColors::gray;
  }
  const auto& around = palette[transparent.value_or(0)];
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) std::ranges::copy(around, decoded.image.row(y) + ptrdiff_t{3} * x);
  }
  std::vector<GifPixelType> line(static_cast<size_t>(frame.Width));
  for (const int y : row_order(frame.Height, frame.Interlace)) {
    if (DGifGetLine(gif.get(), line.data(), frame.Width) == GIF_ERROR) throw damaged(name, gif->Error);
    uint8_t* out = decoded.image.row(frame.Top + y) + ptrdiff_t{3} * frame.Left;
    for (const GifPixelType index : line) out = std::ranges::copy(palette[index], out).out;
  }
  if (source.ended) decoded.damage = "the file ends too early, behind its first frame";
  return decoded;
}

#else

DecodedImage decode_gif(std::span<const uint8_t> /*bytes*/, std::string_view name, const DecodeOptions& /*options*/) {
  throw lacks_library(name, "GIF images need", "giflib", "libgif-dev");
}

#endif

}  // namespace convoy
