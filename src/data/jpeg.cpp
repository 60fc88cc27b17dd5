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
#include <utility>
#include <vector>

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

// Whether libjpeg makes up detail that a progressive file lacks, from blocks that may lie outside of a part.
bool smooths(const jpeg_decompress_struct& info) {
  if (info.progressive_mode == FALSE) return false;
  const auto is_complete = [](const int(&bits)[DCTSIZE2]) {
    return std::ranges::all_of(bits, [](int b) { return b == 0; });
  };
  return !std::all_of(info.coef_bits, info.coef_bits + info.num_components, is_complete);
}

// The rectangle of a stored image of that size that becomes `part` of the upright one.
Rectangle stored_part(const Rectangle& part, int width, int height, const Turn& turn) {
  Rectangle stored = part;
  if (turn.transposed) stored = {part.top, part.left, part.height, part.width};
  if (turn.from_right) stored.left = width - stored.left - stored.width;
  if (turn.from_bottom) stored.top = height - stored.top - stored.height;
  return stored;
}

// Reads a part of an image whose decompression has started. What lies outside is unpacked, so that damage is found
// wherever it is, but not transformed. Upsampled colours depend on their neighbours: a block more on every side keeps
// those of the part as they are.
class PartReader {
 public:
  PartReader(jpeg_decompress_struct& info, const Rectangle& part, Image& image)
      : info_(info), part_(part), image_(image) {}

  // False where libjpeg suspends.
  bool read() {
    const int block_width = info_.max_h_samp_factor * DCTSIZE, block_height = info_.max_v_samp_factor * DCTSIZE;
    const auto with_margin = [](int position, int block) { return std::max(0, (position / block - 1) * block); };
    auto left = static_cast<JDIMENSION>(with_margin(part_.left, block_width));
    const int right = ((part_.left + part_.width - 1) / block_width + 2) * block_width;
    JDIMENSION columns = std::min(info_.output_width, static_cast<JDIMENSION>(right)) - left;
    if (columns < info_.output_width) jpeg_crop_scanline(&info_, &left, &columns);
    const auto components = static_cast<size_t>(info_.output_components);
    buffer_.resize(columns * components);
    const uint8_t* part_of_row = buffer_.data() + (static_cast<size_t>(part_.left) - left) * components;
    const bool in_place = components == Image::kChannels && columns == static_cast<JDIMENSION>(part_.width);
    skip_to(with_margin(part_.top, block_height));
    while (row() < part_.top) {
      if (!read_row(buffer_.data())) return false;
    }
    while (row() < part_.top + part_.height) {
      uint8_t* pixels = image_.row(row() - part_.top);
      if (!read_row(in_place ? pixels : buffer_.data())) return false;
      if (components == 4) {
        cmyk_to_rgb(part_of_row, pixels, part_.width);
      } else if (!in_place) {
        std::copy_n(part_of_row, image_.stride(), pixels);
      }
    }
    const auto height = static_cast<int>(info_.output_height);
    skip_to(height - 1);  // whoever skips the last row, too, leaves the rest of the file unread
    return row() == height || read_row(buffer_.data());
  }

 private:
  int row() const { return static_cast<int>(info_.output_scanline); }
  void skip_to(int y) {
    if (row() < y) jpeg_skip_scanlines(&info_, static_cast<JDIMENSION>(y - row()));
  }
  bool read_row(uint8_t* into) { return jpeg_read_scanlines(&info_, &into, 1) == 1; }

  jpeg_decompress_struct& info_;
  const Rectangle part_;
  Image& image_;
  std::vector<uint8_t> buffer_;
};

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
  const auto width = static_cast<int>(info.output_width), height = static_cast<int>(info.output_height);
  Rectangle part{0, 0, width, height};
  const bool is_part = options.part && !smooths(info);
  if (is_part) {
    const Turn turn(orientation);
    part =
        stored_part(turn.transposed ? options.part(height, width) : options.part(width, height), width, height, turn);
  }
  DecodedImage decoded(FileFormat::jpeg, options.recycled != nullptr ? std::move(*options.recycled) : Image());
  decoded.image.reshape(part.width, part.height);
  decoded.orientation = orientation;
  decoded.is_part = is_part;
  if (cmyk) decoded.colors = StoredColors::cmyk;
  if (info.num_components == 1) decoded.colors = StoredColors::gray;
  PartReader reader(info, part, decoded.image);
  bool ended = false;
  decompressor.attempt([&] {
    if (!reader.read()) return false;
    ended = jpeg_finish_decompress(&info) != FALSE;
    return true;
  });
  decoded.damage = decompressor.damage();
  if (decoded.damage.empty() && !ended) decoded.damage = "the end of image marker is missing";
  return decoded;
}

}  // namespace convoy
