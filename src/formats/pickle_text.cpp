#include "formats/pickle_text.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "convoy/error.h"

namespace convoy {
namespace {

void append_utf8(std::string& text, uint32_t character) {
  const auto add = [&text](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (character < 0x80) {
    add(character);
  } else if (character < 0x800) {
    add(0xC0 | character >> 6);
    add(0x80 | (character & 0x3F));
  } else if (character < 0x10000) {
    add(0xE0 | character >> 12);
    add(0x80 | (character >> 6 & 0x3F));
    add(0x80 | (character & 0x3F));
  } else {
    add(0xF0 | character >> 18);
    add(0x80 | (character >> 12 & 0x3F));
    add(0x80 | (character >> 6 & 0x3F));
    add(0x80 | (character & 0x3F));
  }
}

// The number in `digits` hexadecimal digits at the start of `text`, which are taken off it.
uint32_t take_digits(std::string_view& text, size_t digits) {
  uint32_t value = 0;
  const std::string_view taken = text.substr(0, digits);
  const auto [end, fault] = std::from_chars(taken.data(), taken.data() + taken.size(), value, 16);
  if (taken.size() != digits || fault != std::errc() || end != taken.data() + taken.size()) {
    throw Error("a pickle's text has a broken escape");
  }
  text.remove_prefix(digits);
  return value;
}

}  // namespace

std::optional<int64_t> decimal_integer(std::string_view line) {
  if (line.ends_with('L')) line.remove_suffix(1);
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (fault == std::errc::result_out_of_range) return std::nullopt;
  if (fault != std::errc() || end != line.data() + line.size()) throw Error("a pickle's integer is no number");
  return value;
}

double decimal_number(std::string_view line) {
  double value = 0;
  const auto [end, fault] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (fault == std::errc::invalid_argument || end != line.data() + line.size()) {
    throw Error("a pickle's number is none");
  }
  return value;
}

std::optional<int64_t> binary_integer(std::span<const std::byte> digits) {
  if (digits.size() > sizeof(int64_t)) return std::nullopt;
  if (digits.empty()) return 0;
  uint64_t number = std::to_integer<int8_t>(digits.back()) < 0 ? ~uint64_t{0} : 0;
  std::memcpy(&number, digits.data(), digits.size());
  return static_cast<int64_t>(number);
}

std::string unquoted(std::string_view line) {
  if (line.size() < 2 || (line[0] != '\'' && line[0] != '"') || line.back() != line[0]) {
    throw Error("a pickle's text has no quotes");
  }
  line = line.substr(1, line.size() - 2);
  constexpr std::string_view kEscapes = "abfnrtv\\'\"", kMeanings = "\a\b\f\n\r\t\v\\'\"";
  std::string bytes;
  while (!line.empty()) {
    const char next = line[0];
    line.remove_prefix(1);
    if (next != '\\') {
      bytes.push_back(next);
      continue;
    }
    if (line.empty()) throw Error("a pickle's text has a broken escape");
    const size_t known = kEscapes.find(line[0]);
    if (known != std::string_view::npos) {
      bytes.push_back(kMeanings[known]);
      line.remove_prefix(1);
    } else if (line[0] == 'x') {
      line.remove_prefix(1);
      bytes.push_back(static_cast<char>(take_digits(line, 2)));
    } else {
      throw Error("a pickle's text has a broken escape");
    }
  }
  return bytes;
}

std::string unescaped(std::string_view line) {
  std::string text;
  while (!line.empty()) {
    const auto next = static_cast<uint8_t>(line[0]);
    line.remove_prefix(1);
    if (next != '\\' || line.empty() || (line[0] != 'u' && line[0] != 'U')) {
      append_utf8(text, next);
      continue;
    }
    const size_t digits = line[0] == 'u' ? 4 : 8;
    line.remove_prefix(1);
    const uint32_t character = take_digits(line, digits);
    if (character > 0x10FFFF) throw Error("a pickle's text has a broken escape");
    append_utf8(text, character);
  }
  return text;
}

std::optional<std::string> latin1_bytes(std::string_view characters) {
  std::string bytes;
  bytes.reserve(characters.size());
  for (size_t i = 0; i < characters.size(); ++i) {
    const auto lead = static_cast<uint8_t>(characters[i]);
    if (lead < 0x80) {
      bytes.push_back(static_cast<char>(lead));
      continue;
    }
    const auto next = i + 1 < characters.size() ? static_cast<uint8_t>(characters[++i]) : uint8_t{0};
    if ((lead & 0xFC) != 0xC0 || (next & 0xC0) != 0x80) return std::nullopt;
    bytes.push_back(static_cast<char>((lead & 0x03) << 6 | (next & 0x3F)));
  }
  return bytes;
}

}  // namespace convoy
