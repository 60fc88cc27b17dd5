#ifdef CONVOY_HAS_HEIF
#include <libheif/heif.h>
#endif
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "convoy/error.h"
#include "data/lazy_library.h"

namespace convoy {

#ifdef CONVOY_HAS_HEIF

namespace {

// What is used of libheif, which takes 6 ms to load.
struct Heif {
  LazyLibrary library{CONVOY_HEIF_SONAME};
  decltype(&heif_context_alloc) context_alloc = library["heif_context_alloc"];
  decltype(&heif_context_free) context_free = library["heif_context_free"];
  decltype(&heif_context_set_maximum_image_size_limit) context_set_maximum_image_size_limit =
      library["heif_context_set_maximum_image_size_limit"];
  decltype(&heif_context_set_max_decoding_threads) context_set_max_decoding_threads =
      library["heif_context_set_max_decoding_threads"];
  decltype(&heif_context_read_from_memory_without_copy) context_read_from_memory_without_copy =
      library["heif_context_read_from_memory_without_copy"];
  decltype(&heif_context_get_primary_image_handle) context_get_primary_image_handle =
      library["heif_context_get_primary_image_handle"];
  decltype(&heif_image_handle_release) image_handle_release = library["heif_image_handle_release"];
  decltype(&heif_image_handle_get_width) image_handle_get_width = library["heif_image_handle_get_width"];
  decltype(&heif_image_handle_get_height) image_handle_get_height = library["heif_image_handle_get_height"];
  decltype(&heif_decode_image) decode_image = library["heif_decode_image"];
  decltype(&heif_image_release) image_release = library["heif_image_release"];
  decltype(&heif_image_get_width) image_get_width = library["heif_image_get_width"];
  decltype(&heif_image_get_height) image_get_height = library["heif_image_get_height"];
  decltype(&heif_image_get_plane_readonly) image_get_plane_readonly = library["heif_image_get_plane_readonly"];
};

}  // namespace

// libheif turns the pixels upright itself.
DecodedImage decode_heif(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  const Heif& heif = loaded<Heif>(name);
  const auto require = [&](const heif_error& error) {
    if (error.code == heif_error_Ok) return;
    const std::string reason = error.message == nullptr ? "it cannot be decoded" : error.message;
    if (error.code == heif_error_Unsupported_feature || error.code == heif_error_Unsupported_filetype) {
      throw UnsupportedImage(fmt::format("{}: a kind of HEIF that is not supported: {}; convert it", name, reason));
    }
    throw Error(fmt::format("{}: damaged HEIF: {}", name, reason));
  };
  const std::unique_ptr<heif_context, void (*)(heif_context*)> context(heif.context_alloc(), heif.context_free);
  if (!context) throw MemoryError(fmt::format("{}: no memory to decode it", name));
  const double side = std::floor(std::sqrt(static_cast<double>(options.max_pixels)));
  heif.context_set_maximum_image_size_limit(context.get(), static_cast<int>(std::clamp(side, 1.0, 65535.0)));
  heif.context_set_max_decoding_threads(context.get(), 0);
  require(heif.context_read_from_memory_without_copy(context.get(), bytes.data(), bytes.size(), nullptr));
  heif_image_handle* handle_pointer = nullptr;
  require(heif.context_get_primary_image_handle(context.get(), &handle_pointer));
  const std::unique_ptr<heif_image_handle, void (*)(const heif_image_handle*)> handle(handle_pointer,
                                                                                      heif.image_handle_release);
  check_image_size(heif.image_handle_get_width(handle.get()), heif.image_handle_get_height(handle.get()), name,
                   options);
  heif_image* pixels_pointer = nullptr;
  require(heif.decode_image(handle.get(), &pixels_pointer, heif_colorspace_RGB, heif_chroma_interleaved_RGB, nullptr));
  const std::unique_ptr<heif_image, void (*)(const heif_image*)> pixels(pixels_pointer, heif.image_release);
  const int width = heif.image_get_width(pixels.get(), heif_channel_interleaved);
  const int height = heif.image_get_height(pixels.get(), heif_channel_interleaved);
  check_image_size(width, height, name, options);
  int stride = 0;
  const uint8_t* rows = heif.image_get_plane_readonly(pixels.get(), heif_channel_interleaved, &stride);
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
