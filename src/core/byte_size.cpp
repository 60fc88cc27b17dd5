#include "core/byte_size.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "core/text.h"

namespace convoy {
namespace {

struct Unit {
  std::string_view name;
  int64_t bytes;
};
constexpr Unit kUnits[] = {
    {"K", int64_t{1} << 10}, {"M", int64_t{1} << 20}, {"G", int64_t{1} << 30}, {"T", int64_t{1} << 40}};

}  // namespace

std::optional<int64_t> parse_byte_size(std::string_view text) {
  constexpr double kMost = 0x1p60;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  std::string suffix = lower_case(text.substr(static_cast<size_t>(end - text.data())));
  int64_t unit_bytes = suffix.empty() || suffix == "b" ? 1 : 0;
  for (const Unit& unit : kUnits) {
    const std::string name = lower_case(unit.name);
    if (suffix == name || suffix == name + "b" || suffix == name + "ib") unit_bytes = unit.bytes;
  }
  const double bytes = std::round(number * static_cast<double>(unit_bytes));
  if (!(bytes >= 1 && bytes <= kMost)) return std::nullopt;
  return static_cast<int64_t>(bytes);
}

std::string byte_size_text(int64_t bytes) {
  std::string shortest = fmt::format("{}", bytes);
  for (const Unit& unit : kUnits) {
    std::string text = fmt::format("{}{}", static_cast<double>(bytes) / static_cast<double>(unit.bytes), unit.name);
    if (text.size() <= shortest.size() && parse_byte_size(text) == bytes) shortest = std::move(text);
  }
  return shortest;
}

std::string round_byte_size_up(int64_t bytes) {
  constexpr int64_t kMebi = int64_t{1} << 20, kGibi = int64_t{1} << 30;
  if (bytes < kGibi) return fmt::format("{}M", (bytes + kMebi - 1) / kMebi);
  return fmt::format("{:.2f}G", std::ceil(static_cast<double>(bytes) * 100 / static_cast<double>(kGibi)) / 100);
}

}  // namespace convoy
