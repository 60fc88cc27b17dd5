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
#include "data/orientation.h"

namespace convoy {
namespace {

// More scans than any encoder writes: a small file with thousands would take minutes to decode.
constexpr int kMaxScans = 500;

// The `msg_code`s of warnings after which libjpeg makes pixels up. It also warns of harmless oddities.
bool means_damage(int code) {
  return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE ||
         code == JWRN_MUST_RESYNC;
}

// The `msg_code`s of errors that sound files cause, too.
bool means_unsupported(int code) {
  constexpr std::array kCodes{JERR_BAD_PRECISION,      JERR_SOF_UNSUPPORTED, JERR_ARITH_NOTIMPL,
                              JERR_CONVERSION_NOTIMPL, JERR_NOTIMPL,         JERR_NOT_COMPILED,
                              JERR_CCIR601_NOTIMPL,    JERR_COMPONENT_COUNT, JERR_FRACT_SAMPLE_NOTIMPL};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> message;
  std::array<char, JMSG_LENGTH_MAX> damage;  // the first warning of damage
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  manager->base.format_message(info, manager->message.data());
  std::longjmp(manager->jump, 1);
}

void on_message(j_common_ptr info, int level) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  if (level < 0 && means_damage(info->err->msg_code) && manager->damage[0] == '\0') {
    manager->base.format_message(info, manager->damage.data());
  }
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
  Decompressor(std::span<const uint8_t> bytes, std::string_view name) : name_(name) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave;
    errors_.base.emit_message = on_message;
    progress_.progress_monitor = limit_scans;
    attempt([this] {
      jpeg_create_decompress(&info_);
      return true;
    });
    info_.progress = &progress_;
    // libjpeg suspends at the end of the bytes, which tells a truncated file from one that is damaged within.
    source_.next_input_byte = bytes.data();
    source_.bytes_in_buffer = bytes.size();
    source_.init_source = source_.term_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };
    source_.skip_input_data = [](j_decompress_ptr info, long count) {
      const size_t skipped = std::min(static_cast<size_t>(std::max(0L, count)), info->src->bytes_in_buffer);
      info->src->next_input_byte += skipped;
      info->src->bytes_in_buffer -= skipped;
    };
    source_.resync_to_restart = jpeg_resync_to_restart;
    info_.src = &source_;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info_); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  jpeg_decompress_struct& info() { return info_; }

  // `step` returns whether it came to its end, false where libjpeg suspends.
  template <class Step>
  void attempt(Step step) {
    const Outcome outcome = outcome_of(step);
    if (outcome == Outcome::finished) return;
    if (outcome == Outcome::suspended) throw Error(fmt::format("{}: damaged JPEG: the file ends too early", name_));
    if (means_unsupported(errors_.base.msg_code)) {
      throw UnsupportedImage(fmt::format("{}: a kind of JPEG that is not supported: {}; convert it to a baseline JPEG",
                                         name_, errors_.message.data()));
    }
    throw Error(fmt::format("{}: damaged JPEG: {}", name_, errors_.message.data()));
  }

  // What was wrong so far with an image that is read nevertheless.
  std::string damage() const { return errors_.damage.data(); }

 private:
  enum class Outcome { finished, suspended, failed };
  template <class Step>
  Outcome outcome_of(Step& step) {
    if (setjmp(errors_.jump) != 0) return Outcome::failed;
    return step() ? Outcome::finished : Outcome::suspended;
  }

  std::string_view name_;
  ErrorManager errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_source_mgr source_{};
  jpeg_decompress_struct info_{};
};

// Every program writes CMYK JPEGs inverted, as Adobe does: `cmyk` holds 255 - ink.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int width) {
  const auto inverted = [](uint8_t value) { return static_cast<uint8_t>(255 - value); };
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) rgb[c] = light_of(inverted(cmyk[c]), inverted(cmyk[3]));
  }
}

// From the APP1 segments: the EXIF ones are one block in parts, of XMP the last one counts.
int stored_orientation(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
  std::vector<uint8_t> exif;
  std::string_view xmp;
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::span<const uint8_t> data(marker->data, marker->data_length);
    if (has_bytes_at(data, 0, kExif)) {
      exif.insert(exif.end(), data.begin() + static_cast<ptrdiff_t>(kExif.size()), data.end());
    } else if (has_bytes_at(data, 0, kXmp)) {
      xmp = {reinterpret_cast<const char*>(data.data()) + kXmp.size(), data.size() - kXmp.size()};
    }
  }
  return orientation_of(exif, xmp);
}

}  // namespace

DecodedImage decode_jpeg(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  Decompressor decompressor(bytes, name);
  jpeg_decompress_struct& info = decompressor.info();
  decompressor.attempt([&] {
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    int outcome;
    do {
      outcome = jpeg_read_header(&info, FALSE);
    } while (outcome == JPEG_HEADER_TABLES_ONLY);
    return outcome == JPEG_HEADER_OK;
  });
  check_image_size(info.image_width, info.image_height, name, options);
  if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4) {
    throw UnsupportedImage(
        fmt::format("{}: JPEG with {} components; 1, 3 or 4 are read; convert it", name, info.num_components));
  }
  const int orientation = stored_orientation(info);
  const bool cmyk = info.num_components == 4;
  decompressor.attempt([&] {
    info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    return jpeg_start_decompress(&info) != FALSE;
  });
  DecodedImage decoded(FileFormat::jpeg,
                       Image(static_cast<int>(info.output_width), static_cast<int>(info.output_height)));
  decoded.orientation = orientation;
  if (cmyk) decoded.colors = StoredColors::cmyk;
  if (info.num_components == 1) decoded.colors = StoredColors::gray;
  std::vector<uint8_t> inks(cmyk ? size_t{4} * info.output_width : 0);
  bool ended = false;
  decompressor.attempt([&] {
    while (info.output_scanline < info.output_height) {
      uint8_t* pixels = decoded.image.row(static_cast<int>(info.output_scanline));
      uint8_t* row = cmyk ? inks.data() : pixels;
      if (jpeg_read_scanlines(&info, &row, 1) != 1) return false;
      if (cmyk) cmyk_to_rgb(inks.data(), pixels, decoded.image.width());
    }
    ended = jpeg_finish_decompress(&info) != FALSE;
    return true;
  });
  decoded.damage = decompressor.damage();
  if (decoded.damage.empty() && !ended) decoded.damage = "the end of image marker is missing";
  return decoded;
}

}  // namespace convoy
