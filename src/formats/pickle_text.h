// What a pickle writes as text: numbers in decimal digits and strings with escapes, as protocol 0 has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace convoy {

// "-12", and "12L" as Python 2 writes long integers; nullopt for one beyond 64 bits. Throws Error for other text.
std::optional<int64_t> decimal_integer(std::string_view line);
// "-1.5e-07", "inf", "nan". Throws Error for other text.
double decimal_number(std::string_view line);
// Two's complement, little endian; nullopt for an integer beyond 64 bits.
std::optional<int64_t> binary_integer(std::span<const std::byte> digits);

// The bytes of 'a\n\x00' with its quotes. Throws Error for text that is not of that form.
std::string unquoted(std::string_view line);
// The UTF-8 of text in which characters beyond latin1, and some others, are written as \uXXXX or \UXXXXXXXX.
// Throws Error for escapes that are no characters.
std::string unescaped(std::string_view line);
// The bytes of a UTF-8 text whose characters are all below 256; nullopt when one is not.
std::optional<std::string> latin1_bytes(std::string_view characters);

}  // namespace convoy
