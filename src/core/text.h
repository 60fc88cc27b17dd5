// Small work on text: the nearest known name to a mistyped one, bytes that should be UTF-8, names from strangers, case.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace convoy {

// The candidate that `name` was most likely meant to be (least edits, then first), or "" when none is near: letters
// inserted, dropped, changed or swapped with their neighbour, at most one in three of them; or a candidate that `name`
// begins. Case does not count, nor the difference of - and _.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

// "unknown model 'resnet5' (did you mean 'resnet50'?)"; the hint only where a candidate is near.
std::string unknown_name(std::string_view kind, std::string_view name, std::span<const std::string> candidates);

// `text` with '?' for every byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7).
std::string to_utf8(std::string_view text);

// `text` as one line that a terminal may be given: as to_utf8, with '?' for control characters, too (U+0000 to U+001F,
// U+007F to U+009F).
std::string printable(std::string_view text);

// ASCII letters as small ones; all other bytes stay.
std::string lower_case(std::string_view text);

}  // namespace convoy
