// Amounts of memory as people write them: 800M, 1.5G.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace convoy {

// Bytes of a number with K, M, G or T for 2^10, 2^20, 2^30 or 2^40, in either case, with B or iB behind it or not.
// Nullopt when the text is none, or not from 1 to 2^60 bytes.
std::optional<int64_t> parse_byte_size(std::string_view text);

// The shortest text that parse_byte_size takes for just so many.
std::string byte_size_text(int64_t bytes);

// To the next whole M, or hundredth of a G, above: "642M", "1.27G".
std::string round_byte_size_up(int64_t bytes);

}  // namespace convoy
