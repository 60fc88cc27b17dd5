// The JSON header of a safetensors file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"

namespace convoy {

inline constexpr uint64_t kLargestHeader = uint64_t{16} << 20;

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<StoredTensor> tensors;  // by offset, which counts from the end of the header
  std::vector<UnreadTensor> unread;   // likewise
};

// Checks the header against the number of data bytes behind it. Throws Error, whose text names no file.
SafetensorsHeader parse_safetensors_header(std::string_view text, uint64_t data_bytes);

// The header of these tensors (offsets as given), padded with spaces to a multiple of 8 bytes. Throws Error when names
// repeat or are not UTF-8.
std::string format_safetensors_header(const SafetensorsHeader& header);

}  // namespace convoy
