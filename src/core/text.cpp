#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace convoy {
namespace {

std::string folded(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

// Bytes of the well-formed character that `text` begins with; 0 where there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto between = [](unsigned value, unsigned low, unsigned high) { return low <= value && value <= high; };
  const auto continues = [&](size_t i) { return between(byte(i), 0x80, 0xBF); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (between(lead, 0xC2, 0xDF)) return continues(1) ? 2 : 0;
  // Overlong forms, surrogates and numbers beyond U+10FFFF are ruled out by the second byte.
  if (between(lead, 0xE0, 0xEF)) {
    const bool second = between(byte(1), lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && continues(2) ? 3 : 0;
  }
  if (between(lead, 0xF0, 0xF4)) {
    const bool second = between(byte(1), lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// `text` with '?' for every byte that is no part of a character, and for every character that is not `kept`.
template <class Kept>
std::string replaced(std::string_view text, const Kept& kept) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const std::string_view character = text.substr(0, length);
    result += length > 0 && kept(character) ? character : std::string_view("?");
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return result;
}

}  // namespace

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  // Longer names would cost quadratic time, and none is meant.
  constexpr size_t kLongest = 100;
  if (name.empty() || name.size() > kLongest) return "";
  const std::string wanted = folded(name);
  std::string best;
  size_t least = std::max<size_t>(1, wanted.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(wanted, folded(candidate));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  if (!best.empty()) return best;
  const auto begun = std::ranges::find_if(
      candidates, [&](const std::string& candidate) { return folded(candidate).starts_with(wanted); });
  return begun == candidates.end() ? "" : *begun;
}

std::string unknown_name(std::string_view kind, std::string_view name, std::span<const std::string> candidates) {
  const std::string meant = nearest(name, candidates);
  return fmt::format("unknown {} '{}'{}", kind, name, meant.empty() ? "" : fmt::format(" (did you mean '{}'?)", meant));
}

std::string to_utf8(std::string_view text) {
  return replaced(text, [](std::string_view) { return true; });
}

std::string printable(std::string_view text) {
  return replaced(text, [](std::string_view character) {
    const auto last = static_cast<unsigned char>(character.back());
    if (character.size() == 1) return last >= 0x20 && last != 0x7F;
    return character.front() != '\xC2' || last >= 0xA0;
  });
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace convoy
