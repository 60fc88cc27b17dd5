#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "convoy/error.h"
#include "data/decoders.h"

namespace convoy {
namespace {

bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

// Reads a PBM, PGM or PPM file from its start to its end.
class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  // A whole number between blanks and comments; the byte behind it is read, too.
  int64_t number() {
    skip_blanks();
    int64_t value = 0;
    size_t digits = 0;
    for (; at_ < bytes_.size() && !is_space(bytes_[at_]) && bytes_[at_] != '#'; ++at_, ++digits) {
      const uint8_t byte = bytes_[at_];
      if (byte < '0' || byte > '9') throw damaged("expected a number");
      constexpr size_t kMostDigits = 10;
      if (digits == kMostDigits) throw damaged("a number has more than 10 digits");
      value = value * 10 + (byte - '0');
    }
    if (digits == 0) throw damaged("the file ends too early");
    if (at_ < bytes_.size() && bytes_[at_] != '#') ++at_;
    return value;
  }

  // The single digit of a plain bitmap: 0 or 1.
  int bit() {
    skip_blanks();
    if (at_ == bytes_.size()) throw damaged("the file ends too early");
    const uint8_t byte = bytes_[at_++];
    if (byte != '0' && byte != '1') throw damaged("expected 0 or 1");
    return byte - '0';
  }

  void skip(size_t count) { at_ += count; }
  std::span<const uint8_t> left() const { return bytes_.subspan(at_); }
  Error damaged(std::string_view why) const { return Error(fmt::format("{}: damaged PNM: {}", name_, why)); }

 private:
  void skip_blanks() {
    while (at_ < bytes_.size() && (is_space(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
      } else {
        ++at_;
      }
    }
  }

  std::span<const uint8_t> bytes_;
  std::string_view name_;
  size_t at_ = 0;
};

struct Kind {
  bool plain = false;    // samples as text
  bool bits = false;     // black and white
  size_t channels = 1;   // 3: colours
  int64_t greatest = 1;  // sample
};

// A sample as 8 bits. Deep gray keeps its high byte, deep colours are rounded, as Pillow does.
uint8_t to_byte(int64_t sample, const Kind& kind) {
  const double share = static_cast<double>(sample) / static_cast<double>(kind.greatest);
  if (kind.channels == 1 && kind.greatest > 255)
    return static_cast<uint8_t>(static_cast<int>(std::nearbyint(share * 65535)) >> 8);
  return static_cast<uint8_t>(std::min(255.0, std::nearbyint(share * 255)));
}

void read_bits(Reader& reader, const Kind& kind, Image& image) {
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* out = image.row(y);
    for (size_t x = 0; x < static_cast<size_t>(image.width()); ++x, out += 3) {
      const int black = kind.plain ? reader.bit() : reader.left()[x / 8] >> (7 - x % 8) & 1;
      std::fill_n(out, 3, static_cast<uint8_t>(black != 0 ? 0 : 255));
    }
    if (!kind.plain) reader.skip((static_cast<size_t>(image.width()) + 7) / 8);
  }
}

void read_samples(Reader& reader, const Kind& kind, Image& image) {
  const size_t sample_bytes = kind.greatest > 255 ? 2 : 1;
  const auto sample = [&]() -> int64_t {
    if (!kind.plain) {
      const std::span<const uint8_t> left = reader.left();
      reader.skip(sample_bytes);
      return std::min<int64_t>(sample_bytes == 1 ? left[0] : left[0] * 256 + left[1], kind.greatest);
    }
    const int64_t value = reader.number();
    if (value > kind.greatest) throw reader.damaged(fmt::format("{} is more than {}", value, kind.greatest));
    return value;
  };
  uint8_t* out = image.row(0);
  for (size_t i = 0; i < image.bytes(); i += 3) {
    for (size_t c = 0; c < 3; ++c) out[i + c] = c < kind.channels ? to_byte(sample(), kind) : out[i];
  }
}

}  // namespace

DecodedImage decode_pnm(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  Reader reader(bytes, name);
  reader.skip(2);
  const int type = bytes[1] - '0';
  Kind kind{
      .plain = type <= 3, .bits = type == 1 || type == 4, .channels = type == 3 || type == 6 ? size_t{3} : size_t{1}};
  const int64_t width = reader.number(), height = reader.number();
  check_image_size(width, height, name, options);
  if (!kind.bits) kind.greatest = reader.number();
  if (kind.greatest < 1 || kind.greatest > 65535) throw reader.damaged("the greatest value must be 1 to 65535");
  const auto w = static_cast<size_t>(width), h = static_cast<size_t>(height);
  const size_t row_bytes =
      kind.bits ? (kind.plain ? w : (w + 7) / 8) : w * kind.channels * (kind.plain || kind.greatest > 255 ? 2 : 1);
  // Plain samples take two bytes, the last one of them perhaps one.
  if (reader.left().size() + (kind.plain ? 1 : 0) < row_bytes * h) throw reader.damaged("the file ends too early");
  DecodedImage decoded(FileFormat::pnm, Image(static_cast<int>(width), static_cast<int>(height)));
  if (kind.channels == 1) decoded.colors = StoredColors::gray;
  if (kind.bits) {
    read_bits(reader, kind, decoded.image);
  } else {
    read_samples(reader, kind, decoded.image);
  }
  return decoded;
}

}  // namespace convoy
