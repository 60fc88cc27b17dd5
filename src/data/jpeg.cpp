#include <csetjmp>
#include <cstddef>
#include <cstdio>
// jpeglib.h relies on the two above, jerror.h on jconfig.h.
#include <fmt/format.h>
#include <jconfig.h>
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <string>

#include "convoy/error.h"
#include "data/decoders.h"

namespace convoy {
namespace {

// More scans than any encoder writes: a small file with thousands would take minutes to decode.
constexpr int kMaxScans = 500;

// The `msg_code`s of warnings after which libjpeg makes pixels up. It also warns of harmless oddities.
bool means_damage(int code) {
  return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> message;
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  manager->base.format_message(info, manager->message.data());
  std::longjmp(manager->jump, 1);
}

void on_message(j_common_ptr info, int level) {
  if (level < 0 && means_damage(info->err->msg_code)) leave(info);
}

void limit_scans(j_common_ptr info) {
  if (info->is_decompressor != 0 && reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
    auto* manager = reinterpret_cast<ErrorManager*>(info->err);
    std::snprintf(manager->message.data(), manager->message.size(), "more than %d scans", kMaxScans);
    std::longjmp(manager->jump, 1);
  }
}

// libjpeg leaves by longjmp, so everything that calls it runs inside attempt(), in code without destructors.
class Decompressor {
 public:
  explicit Decompressor(std::string_view name) : name_(name) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave;
    errors_.base.emit_message = on_message;
    progress_.progress_monitor = limit_scans;
    attempt([this] { jpeg_create_decompress(&info_); });
    info_.progress = &progress_;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info_); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  jpeg_decompress_struct& info() { return info_; }

  template <class Step>
  void attempt(Step step) {
    if (!succeeds(step)) throw Error(fmt::format("{}: damaged JPEG: {}", name_, errors_.message.data()));
  }

 private:
  template <class Step>
  bool succeeds(Step& step) {
    if (setjmp(errors_.jump) != 0) return false;
    step();
    return true;
  }

  std::string_view name_;
  ErrorManager errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
};

// round(a * b / 255) as Pillow rounds it.
constexpr int multiply_255(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

// Every program writes CMYK JPEGs inverted, as Adobe does: `cmyk` holds 255 - ink, and so what is left of the light.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int width) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c)
      rgb[c] = static_cast<uint8_t>(std::max(0, cmyk[3] - multiply_255(255 - cmyk[c], cmyk[3])));
  }
}

int stored_orientation(const jpeg_decompress_struct& info) {
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view start(reinterpret_cast<const char*>(marker->data), std::min(marker->data_length, 6U));
    if (start == std::string_view("Exif\0\0", 6)) return exif_orientation({marker->data, marker->data_length});
  }
  return 1;
}

}  // namespace

DecodedImage decode_jpeg(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  Decompressor decompressor(name);
  jpeg_decompress_struct& info = decompressor.info();
  decompressor.attempt([&] {
    jpeg_mem_src(&info, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info, TRUE);
  });
  check_image_size(info.image_width, info.image_height, name, options);
  if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4) {
    throw Error(fmt::format("{}: JPEG with {} components; 1, 3 or 4 are read", name, info.num_components));
  }
  const bool cmyk = info.num_components == 4;
  decompressor.attempt([&] {
    info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info);
  });
  DecodedImage decoded{Image(static_cast<int>(info.output_width), static_cast<int>(info.output_height)),
                       stored_orientation(info), FileFormat::jpeg,
                       cmyk                       ? StoredColors::cmyk
                       : info.num_components == 1 ? StoredColors::gray
                                                  : StoredColors::rgb};
  std::vector<uint8_t> inks(cmyk ? size_t{4} * info.output_width : 0);
  decompressor.attempt([&] {
    while (info.output_scanline < info.output_height) {
      uint8_t* pixels = decoded.image.row(static_cast<int>(info.output_scanline));
      uint8_t* row = cmyk ? inks.data() : pixels;
      jpeg_read_scanlines(&info, &row, 1);
      if (cmyk) cmyk_to_rgb(inks.data(), pixels, decoded.image.width());
    }
    jpeg_finish_decompress(&info);
  });
  return decoded;
}

}  // namespace convoy
