// Decodes an image file.
#pragma once

#include <filesystem>

#include "data/image.h"

namespace convoy {

// Throws Error as read_file and decode_image.
inline Image load_image(const std::filesystem::path& file) { return decode_image(read_file(file), file.string()); }

}  // namespace convoy
