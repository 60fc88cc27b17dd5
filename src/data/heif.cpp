#ifdef CONVOY_HAS_HEIF
#include <libheif/heif.h>
#endif
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "convoy/error.h"
#include "data/decoders.h"

namespace convoy {

#ifdef CONVOY_HAS_HEIF

// libheif turns the pixels upright itself.
DecodedImage decode_heif(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  const auto require = [&](const heif_error& error) {
    if (error.code == heif_error_Ok) return;
    const std::string reason = error.message == nullptr ? "it cannot be decoded" : error.message;
    if (error.code == heif_error_Unsupported_feature || error.code == heif_error_Unsupported_filetype) {
      throw UnsupportedImage(fmt::format("{}: a kind of HEIF that is not supported: {}; convert it", name, reason));
    }
    throw Error(fmt::format("{}: damaged HEIF: {}", name, reason));
  };
  const std::unique_ptr<heif_context, void (*)(heif_context*)> context(heif_context_alloc(), heif_context_free);
  if (!context) throw MemoryError(fmt::format("{}: no memory to decode it", name));
  const double side = std::floor(std::sqrt(static_cast<double>(options.max_pixels)));
  heif_context_set_maximum_image_size_limit(context.get(), static_cast<int>(std::clamp(side, 1.0, 65535.0)));
  heif_context_set_max_decoding_threads(context.get(), 0);
  require(heif_context_read_from_memory_without_copy(context.get(), bytes.data(), bytes.size(), nullptr));
  heif_image_handle* handle_pointer = nullptr;
  require(heif_context_get_primary_image_handle(context.get(), &handle_pointer));
  const std::unique_ptr<heif_image_handle, void (*)(const heif_image_handle*)> handle(handle_pointer,
                                                                                      heif_image_handle_release);
  check_image_size(heif_image_handle_get_width(handle.get()), heif_image_handle_get_height(handle.get()), name,
                   options);
  heif_image* pixels_pointer = nullptr;
  require(heif_decode_image(handle.get(), &pixels_pointer, heif_colorspace_RGB, heif_chroma_interleaved_RGB, nullptr));
  const std::unique_ptr<heif_image, void (*)(const heif_image*)> pixels(pixels_pointer, heif_image_release);
  const int width = heif_image_get_width(pixels.get(), heif_channel_interleaved);
  const int height = heif_image_get_height(pixels.get(), heif_channel_interleaved);
  check_image_size(width, height, name, options);
  int stride = 0;
  const uint8_t* rows = heif_image_get_plane_readonly(pixels.get(), heif_channel_interleaved, &stride);
  if (rows == nullptr) throw Error(fmt::format("{}: damaged HEIF: it has no pixels", name));
  DecodedImage decoded(FileFormat::heif, copy_of(ImageView{rows, width, height, stride}));
  return decoded;
}

#else

DecodedImage decode_heif(std::span<const uint8_t> /*bytes*/, std::string_view name, const DecodeOptions& /*options*/) {
  throw lacks_library(name, "HEIC images need", "libheif", "libheif-dev");
}

#endif

}  // namespace convoy
