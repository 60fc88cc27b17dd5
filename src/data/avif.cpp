#ifdef CONVOY_HAS_AVIF
#include <avif/avif.h>
#endif
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "convoy/error.h"
#include "data/lazy_library.h"
#include "data/orientation.h"

namespace convoy {

#ifdef CONVOY_HAS_AVIF

namespace {

// What is used of libavif, which takes 3 ms to load.
struct Avif {
  LazyLibrary library{CONVOY_AVIF_SONAME};
  decltype(&avifDecoderCreate) decoder_create = library["avifDecoderCreate"];
  decltype(&avifDecoderDestroy) decoder_destroy = library["avifDecoderDestroy"];
  decltype(&avifResultToString) result_to_string = library["avifResultToString"];
  decltype(&avifDecoderSetIOMemory) decoder_set_io_memory = library["avifDecoderSetIOMemory"];
  decltype(&avifDecoderParse) decoder_parse = library["avifDecoderParse"];
  decltype(&avifDecoderNextImage) decoder_next_image = library["avifDecoderNextImage"];
  decltype(&avifRGBImageSetDefaults) rgb_image_set_defaults = library["avifRGBImageSetDefaults"];
  decltype(&avifImageYUVToRGB) image_yuv_to_rgb = library["avifImageYUVToRGB"];
};

bool mirrors_left_and_right(const avifImageMirror& mirror) {
#if AVIF_VERSION >= 1000000
  return mirror.axis != 0;
#else
  return mirror.mode != 0;
#endif
}

// The orientation that turning by `angle` quarters against the clock and then mirroring stands for.
int turned_and_mirrored(const avifImage& image) {
  const bool turned = (image.transformFlags & AVIF_TRANSFORM_IROT) != 0;
  const bool mirrored = (image.transformFlags & AVIF_TRANSFORM_IMIR) != 0;
  const int angle = turned ? image.irot.angle & 3 : 0;
  constexpr std::array<int, 4> kTurned{1, 8, 3, 6}, kThenUpsideDown{4, 5, 2, 7}, kThenLeftToRight{2, 7, 4, 5};
  const auto& row = !mirrored ? kTurned : mirrors_left_and_right(image.imir) ? kThenLeftToRight : kThenUpsideDown;
  return row[static_cast<size_t>(angle)];
}

// As Pillow has it: the file's own properties go before EXIF, and EXIF before XMP.
int stored_orientation(const avifImage& image) {
  const int turned = turned_and_mirrored(image);
  if (turned != 1 || image.exif.size > 0) return turned;
  return orientation_of({}, {reinterpret_cast<const char*>(image.xmp.data), image.xmp.size});
}

}  // namespace

DecodedImage decode_avif(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  const Avif& avif = loaded<Avif>(name);
  const std::unique_ptr<avifDecoder, void (*)(avifDecoder*)> decoder(avif.decoder_create(), avif.decoder_destroy);
  if (!decoder) throw MemoryError(fmt::format("{}: no memory to decode it", name));
  const auto require = [&](avifResult result) {
    if (result == AVIF_RESULT_OK) return;
    throw Error(fmt::format("{}: damaged AVIF: {}", name, avif.result_to_string(result)));
  };
  // What encoders leave out.
  decoder->strictFlags &= ~static_cast<avifStrictFlags>(AVIF_STRICT_CLAP_VALID | AVIF_STRICT_PIXI_REQUIRED);
  decoder->imageSizeLimit = static_cast<uint32_t>(std::min<int64_t>(options.max_pixels, AVIF_DEFAULT_IMAGE_SIZE_LIMIT));
  require(avif.decoder_set_io_memory(decoder.get(), bytes.data(), bytes.size()));
  require(avif.decoder_parse(decoder.get()));
  check_image_size(decoder->image->width, decoder->image->height, name, options);
  require(avif.decoder_next_image(decoder.get()));
  const avifImage& stored = *decoder->image;
  check_image_size(stored.width, stored.height, name, options);
  DecodedImage decoded(FileFormat::avif, Image(static_cast<int>(stored.width), static_cast<int>(stored.height)));
  Image& image = decoded.image;
  const bool alpha = decoder->alphaPresent != AVIF_FALSE;
  std::vector<uint8_t> with_alpha(alpha ? size_t{4} * stored.width * stored.height : 0);
  avifRGBImage rgb;
  avif.rgb_image_set_defaults(&rgb, &stored);
  rgb.depth = 8;
  rgb.format = alpha ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
  rgb.pixels = alpha ? with_alpha.data() : image.row(0);
  rgb.rowBytes = (alpha ? 4 : 3) * stored.width;
  require(avif.image_yuv_to_rgb(&stored, &rgb));
  uint8_t* out = image.row(0);
  for (size_t i = 0; i < with_alpha.size(); i += 4) out = std::copy_n(with_alpha.data() + i, 3, out);
  if (stored.yuvFormat == AVIF_PIXEL_FORMAT_YUV400) decoded.colors = StoredColors::gray;
  decoded.orientation = stored_orientation(stored);
  return decoded;
}

#else

DecodedImage decode_avif(std::span<const uint8_t> /*bytes*/, std::string_view name, const DecodeOptions& /*options*/) {
  throw lacks_library(name, "AVIF images need", "libavif", "libavif-dev");
}

#endif

}  // namespace convoy
