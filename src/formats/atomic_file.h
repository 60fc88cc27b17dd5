// Files that are either written whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace convoy {

// Replaces `path` by the concatenation of `pieces`: writes PATH.tmp in the same folder, syncs it, renames it and syncs
// the folder. Throws Error when that fails, as on a full disk; then `path` is as it was and no temporary file is left.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> pieces);

}  // namespace convoy
