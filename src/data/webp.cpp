#include <fmt/format.h>
#include <webp/decode.h>
#ifdef CONVOY_HAS_WEBPDEMUX
#include <webp/demux.h>
#endif

#include <algorithm>
#include <memory>

#include "convoy/error.h"
#include "data/byte_reader.h"
#include "data/decoders.h"
#include "data/orientation.h"

namespace convoy {
namespace {

// Walks the RIFF chunks: four letters, size, content padded to an even size.
int stored_orientation(std::span<const uint8_t> bytes) {
  constexpr size_t kFileHeader = 12, kChunkHeader = 8;
  std::span<const uint8_t> left = bytes.subspan(kFileHeader), exif, xmp;
  while (left.size() > kChunkHeader) {
    const size_t size = number_at(left, 4, 4, ByteOrder::little);
    const std::string_view letters(reinterpret_cast<const char*>(left.data()), 4);
    left = left.subspan(kChunkHeader);
    if (size > left.size()) break;
    if (letters == "EXIF" && exif.empty()) exif = left.first(size);
    if (letters == "XMP " && xmp.empty()) xmp = left.first(size);
    left = left.subspan(std::min(left.size(), size + size % 2));
  }
  return orientation_of(exif, {reinterpret_cast<const char*>(xmp.data()), xmp.size()});
}

#ifdef CONVOY_HAS_WEBPDEMUX

// The first frame on its canvas, black where it does not reach. False when it is damaged.
bool decode_first_frame(std::span<const uint8_t> bytes, std::string_view /*name*/, Image& image) {
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) return false;
  options.color_mode = MODE_RGBA;
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                             WebPAnimDecoderDelete);
  uint8_t* pixels = nullptr;
  int milliseconds = 0;
  if (!decoder || WebPAnimDecoderGetNext(decoder.get(), &pixels, &milliseconds) == 0) return false;
  uint8_t* out = image.row(0);
  for (size_t i = 0; i < image.bytes() / 3; ++i) out = std::copy_n(pixels + 4 * i, 3, out);
  return true;
}

#else

bool decode_first_frame(std::span<const uint8_t> /*bytes*/, std::string_view name, Image& /*image*/) {
  throw lacks_library(name, "animated WebP images need", "libwebpdemux", "libwebp-dev");
}

#endif

}  // namespace

DecodedImage decode_webp(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) {
    throw Error(fmt::format("{}: damaged WebP: its header cannot be read", name));
  }
  check_image_size(features.width, features.height, name, options);
  DecodedImage decoded(FileFormat::webp, Image(features.width, features.height));
  decoded.orientation = stored_orientation(bytes);
  Image& image = decoded.image;
  const bool done = features.has_animation != 0
                        ? decode_first_frame(bytes, name, image)
                        : WebPDecodeRGBInto(bytes.data(), bytes.size(), image.row(0), image.bytes(),
                                            static_cast<int>(image.stride())) != nullptr;
  if (!done) throw Error(fmt::format("{}: damaged WebP: the file is truncated or corrupt", name));
  return decoded;
}

}  // namespace convoy
