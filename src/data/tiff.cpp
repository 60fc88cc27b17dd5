#ifdef CONVOY_HAS_TIFF
#include <tiffio.h>
#endif
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "convoy/error.h"
#include "data/decoders.h"
#include "data/orientation.h"

namespace convoy {

#ifdef CONVOY_HAS_TIFF

namespace {

// The file as libtiff asks for it, and the first error that it told of.
struct Source {
  std::span<const uint8_t> bytes;
  uint64_t at = 0;
  std::array<char, 160> message{};
};

tmsize_t read(thandle_t handle, void* out, tmsize_t count) {
  auto& source = *static_cast<Source*>(handle);
  if (source.at >= source.bytes.size() || count <= 0) return 0;
  const size_t got = std::min(static_cast<size_t>(count), source.bytes.size() - static_cast<size_t>(source.at));
  std::memcpy(out, source.bytes.data() + source.at, got);
  source.at += got;
  return static_cast<tmsize_t>(got);
}

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  auto& source = *static_cast<Source*>(handle);
  const uint64_t from = whence == SEEK_CUR ? source.at : whence == SEEK_END ? source.bytes.size() : 0;
  return source.at = from + offset;
}

int on_error(TIFF* /*tiff*/, void* user, const char* /*module*/, const char* format, va_list arguments) {
  auto& source = *static_cast<Source*>(user);
  if (source.message[0] == '\0') std::vsnprintf(source.message.data(), source.message.size(), format, arguments);
  return 1;
}

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

// Messages go to `source`, not to standard error.
Tiff open(Source& source, int64_t most_bytes) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), most_bytes);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(
      options.get(), [](TIFF*, void*, const char*, const char*, va_list) { return 1; }, nullptr);
  return Tiff(TIFFClientOpenExt(
      "", "rm", &source, read, [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; }, seek,
      [](thandle_t) { return 0; },
      [](thandle_t handle) -> toff_t { return static_cast<Source*>(handle)->bytes.size(); }, nullptr, nullptr,
      options.get()));
}

// How the samples of a pixel are stored.
struct Layout {
  uint32_t width = 0, height = 0;
  uint16_t bits = 1, samples = 1, format = SAMPLEFORMAT_UINT, photometric = PHOTOMETRIC_MINISWHITE;
  uint16_t planar = PLANARCONFIG_CONTIG, compression = COMPRESSION_NONE;
  bool premultiplied = false;  // colours by the alpha that follows them
  std::array<uint16_t*, 3> color_map{};

  bool separate() const { return planar == PLANARCONFIG_SEPARATE && samples > 1; }
  // Brightness is the one sample, whatever its kind.
  bool gray() const { return photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE; }
};

Layout layout_of(TIFF* tiff) {
  Layout layout;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout.format);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout.compression);
  uint16_t extras = 0;
  uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extras, &kinds);
  layout.premultiplied = extras > 0 && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
  if (layout.photometric == PHOTOMETRIC_PALETTE) {
    auto& map = layout.color_map;
    if (TIFFGetField(tiff, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]) == 0) map = {};
  }
  return layout;
}

bool is_supported(const Layout& layout) {
  const auto [bits, samples] = std::pair(layout.bits, layout.samples);
  const bool whole = layout.format == SAMPLEFORMAT_UINT;
  const bool bytes = whole && (bits == 8 || bits == 16);
  constexpr uint16_t kMostSamples = 6;
  if (samples < 1 || samples > kMostSamples) return false;
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      if (samples > 1) return bytes && samples == 2;
      return (whole && (bits == 1 || bits == 2 || bits == 4)) || (bits == 8 && layout.format != SAMPLEFORMAT_IEEEFP) ||
             (bits == 16 && layout.format != SAMPLEFORMAT_IEEEFP) || bits == 32;
    case PHOTOMETRIC_PALETTE:
      return layout.color_map[0] != nullptr && whole &&
             (bits == 8 || (samples == 1 && (bits == 1 || bits == 2 || bits == 4)));
    case PHOTOMETRIC_RGB: return bytes && samples >= 3;
    case PHOTOMETRIC_SEPARATED: return bytes && samples >= 4;
    case PHOTOMETRIC_YCBCR: return whole && bits == 8 && samples == 3;
    default: return false;
  }
}

template <class T>
T stored(const uint8_t* row, size_t index) {
  T value;
  std::memcpy(&value, row + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
uint8_t clipped(const uint8_t* row, size_t index) {
  const T value = stored<T>(row, index);
  return value > T{0} ? value < T{255} ? static_cast<uint8_t>(value) : uint8_t{255} : uint8_t{0};
}

// Sample `index` of a row in 8 bits. Small ones are scaled, but for indices into a palette; of 16 bits the high byte
// counts; signed, longer and floating-point ones are clipped, as Pillow does.
uint8_t sample_of(const Layout& layout, const uint8_t* row, size_t index) {
  const uint32_t bits = layout.bits;
  if (bits < 8) {
    const size_t bit = index * bits;
    const uint32_t most = (1U << bits) - 1;
    const uint32_t value = row[bit / 8] >> (8 - bits - bit % 8) & most;
    return static_cast<uint8_t>(layout.photometric == PHOTOMETRIC_PALETTE ? value : value * 255 / most);
  }
  if (bits == 8) return row[index];
  if (layout.format == SAMPLEFORMAT_IEEEFP) return clipped<float>(row, index);
  if (bits == 32)
    return layout.format == SAMPLEFORMAT_INT ? clipped<int32_t>(row, index) : clipped<uint32_t>(row, index);
  if (layout.format == SAMPLEFORMAT_INT) return clipped<int16_t>(row, index);
  return static_cast<uint8_t>(stored<uint16_t>(row, index) >> 8);
}

// One pixel from its samples.
void to_rgb(const Layout& layout, const uint8_t* samples, uint8_t* rgb) {
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISWHITE: std::fill_n(rgb, 3, static_cast<uint8_t>(255 - samples[0])); break;
    case PHOTOMETRIC_MINISBLACK: std::fill_n(rgb, 3, samples[0]); break;
    case PHOTOMETRIC_PALETTE:
      for (size_t c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(layout.color_map[c][samples[0]] >> 8);
      break;
    case PHOTOMETRIC_SEPARATED:
      for (size_t c = 0; c < 3; ++c) rgb[c] = light_of(samples[c], samples[3]);
      break;
    default:
      std::copy_n(samples, 3, rgb);
      if (layout.premultiplied && layout.samples > 3) {
        const int alpha = samples[3];
        for (size_t c = 0; c < 3; ++c)
          rgb[c] = static_cast<uint8_t>(alpha == 0 ? 0 : std::min(255, samples[c] * 255 / alpha));
      }
  }
}

// Strips and tiles of an image, one after the other.
class Pixels {
 public:
  Pixels(TIFF* tiff, const Layout& layout, Image& image)
      : tiff_(tiff), layout_(layout), image_(image), block_(static_cast<size_t>(block_bytes())) {}

  // False where libtiff fails.
  bool decode() {
    const bool tiled = TIFFIsTiled(tiff_) != 0;
    uint32_t block_width = layout_.width, block_height = layout_.height;
    if (tiled) {
      TIFFGetField(tiff_, TIFFTAG_TILEWIDTH, &block_width);
      TIFFGetField(tiff_, TIFFTAG_TILELENGTH, &block_height);
    } else {
      TIFFGetFieldDefaulted(tiff_, TIFFTAG_ROWSPERSTRIP, &block_height);
    }
    block_width = std::min(block_width, layout_.width + kMostPadding);
    const tmsize_t row_bytes = tiled ? TIFFTileRowSize(tiff_) : TIFFScanlineSize(tiff_);
    const size_t samples = layout_.separate() ? 1 : layout_.samples;
    if (block_height == 0 || block_width == 0 || block_.empty() || row_bytes <= 0 ||
        static_cast<size_t>(row_bytes) < (samples * layout_.bits * block_width + 7) / 8) {
      return false;
    }
    for (uint64_t y = 0; y < layout_.height; y += block_height) {
      const auto rows = static_cast<uint32_t>(std::min<uint64_t>(block_height, layout_.height - y));
      if (block_.size() / static_cast<size_t>(row_bytes) < rows) return false;
      for (uint64_t x = 0; x < layout_.width; x += block_width) {
        const auto columns = static_cast<uint32_t>(std::min<uint64_t>(block_width, layout_.width - x));
        samples_.resize(size_t{rows} * columns * layout_.samples);
        for (uint16_t plane = 0; plane < (layout_.separate() ? layout_.samples : 1); ++plane) {
          if (!read_block(tiled, static_cast<uint32_t>(x), static_cast<uint32_t>(y), plane)) return false;
          unpack(plane, rows, columns, static_cast<size_t>(row_bytes));
        }
        store(static_cast<int>(x), static_cast<int>(y), rows, columns);
      }
    }
    return true;
  }

 private:
  // Tiles may be wider than the image; what they hold beyond it is left out.
  static constexpr uint32_t kMostPadding = 1 << 16;

  tmsize_t block_bytes() const {
    return std::max<tmsize_t>(0, TIFFIsTiled(tiff_) != 0 ? TIFFTileSize(tiff_) : TIFFStripSize(tiff_));
  }

  bool read_block(bool tiled, uint32_t x, uint32_t y, uint16_t plane) {
    const auto size = static_cast<tmsize_t>(block_.size());
    const tmsize_t got = tiled ? TIFFReadTile(tiff_, block_.data(), x, y, 0, plane)
                               : TIFFReadEncodedStrip(tiff_, TIFFComputeStrip(tiff_, y, plane), block_.data(), size);
    return got >= 0;
  }

  // From the block that was read to 8-bit samples, pixel by pixel.
  void unpack(uint16_t plane, uint32_t rows, uint32_t columns, size_t row_bytes) {
    const size_t pixel = layout_.samples, count = layout_.separate() ? columns : columns * pixel;
    const size_t step = layout_.separate() ? pixel : 1;
    for (size_t y = 0; y < rows; ++y) {
      const uint8_t* row = block_.data() + y * row_bytes;
      uint8_t* out = samples_.data() + y * columns * pixel + plane;
      for (size_t i = 0; i < count; ++i, out += step) *out = sample_of(layout_, row, i);
    }
  }

  void store(int left, int top, uint32_t rows, uint32_t columns) {
    const uint8_t* samples = samples_.data();
    for (uint32_t y = 0; y < rows; ++y) {
      uint8_t* out = image_.row(top + static_cast<int>(y)) + ptrdiff_t{3} * left;
      for (uint32_t x = 0; x < columns; ++x, samples += layout_.samples, out += 3) to_rgb(layout_, samples, out);
    }
  }

  TIFF* tiff_;
  const Layout& layout_;
  Image& image_;
  std::vector<uint8_t> block_;
  std::vector<uint8_t> samples_;
};

// libtiff's own conversion, for the subsampled colours that only it knows to put together.
bool decode_by_libtiff(TIFF* tiff, Image& image) {
  std::array<char, 1024> message{};
  TIFFRGBAImage pixels;
  if (TIFFRGBAImageOK(tiff, message.data()) == 0 || TIFFRGBAImageBegin(&pixels, tiff, 1, message.data()) == 0)
    return false;
  pixels.orientation = pixels.req_orientation = ORIENTATION_TOPLEFT;
  const auto width = static_cast<uint32_t>(image.width()), height = static_cast<uint32_t>(image.height());
  std::vector<uint32_t> raster(size_t{width} * height);
  const bool decoded = TIFFRGBAImageGet(&pixels, raster.data(), width, height) != 0;
  TIFFRGBAImageEnd(&pixels);
  uint8_t* out = image.row(0);
  for (const uint32_t pixel : raster) {
    *out++ = static_cast<uint8_t>(TIFFGetR(pixel));
    *out++ = static_cast<uint8_t>(TIFFGetG(pixel));
    *out++ = static_cast<uint8_t>(TIFFGetB(pixel));
  }
  return decoded;
}

int stored_orientation(TIFF* tiff) {
  uint16_t orientation = 0;
  if (TIFFGetField(tiff, TIFFTAG_ORIENTATION, &orientation) != 0)
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  uint32_t size = 0;
  const char* xmp = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_XMLPACKET, &size, &xmp) == 0) return 1;
  return orientation_of({}, {xmp, size});
}

}  // namespace

DecodedImage decode_tiff(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  Source source{bytes};
  constexpr int64_t kMostPixelBytes = 24;
  const Tiff tiff = open(source, kMostPixelBytes * std::min(options.max_pixels, int64_t{1} << 40));
  const auto damaged = [&] {
    const std::string_view reason = source.message.data();
    return Error(fmt::format("{}: damaged TIFF: {}", name, reason.empty() ? "its pixels cannot be read" : reason));
  };
  if (!tiff) throw damaged();
  const Layout layout = layout_of(tiff.get());
  check_image_size(layout.width, layout.height, name, options);
  if (!is_supported(layout) || TIFFIsCODECConfigured(layout.compression) == 0) {
    throw UnsupportedImage(
        fmt::format("{}: a kind of TIFF that is not supported (photometric {}, {} samples of {} bits in format {}, "
                    "compression {}); "
                    "convert it",
                    name, layout.photometric, layout.samples, layout.bits, layout.format, layout.compression));
  }
  DecodedImage decoded(FileFormat::tiff, Image(static_cast<int>(layout.width), static_cast<int>(layout.height)));
  if (layout.gray()) decoded.colors = StoredColors::gray;
  if (layout.photometric == PHOTOMETRIC_SEPARATED) decoded.colors = StoredColors::cmyk;
  const bool ycbcr = layout.photometric == PHOTOMETRIC_YCBCR;
  const bool by_libjpeg = layout.compression == COMPRESSION_JPEG && !layout.separate();
  if (ycbcr && by_libjpeg) TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  const bool done = ycbcr && !by_libjpeg ? decode_by_libtiff(tiff.get(), decoded.image)
                                         : Pixels(tiff.get(), layout, decoded.image).decode();
  if (!done) throw damaged();
  decoded.orientation = stored_orientation(tiff.get());
  return decoded;
}

#else

DecodedImage decode_tiff(std::span<const uint8_t> /*bytes*/, std::string_view name, const DecodeOptions& /*options*/) {
  throw lacks_library(name, "TIFF images need", "libtiff", "libtiff-dev");
}

#endif

}  // namespace convoy
