// Files that are either written whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace convoy {

// Replaces `path` by the concatenation of `pieces`: writes PATH.tmp in the same folder, syncs it, renames it and syncs
// the folder. Throws Error when that fails, as on a full disk; then `path` is as it was and no temporary file is left.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> pieces);

void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// Throws Error when write_file_atomically(path) could not create its file: to find out before the work that ends with
// it.
void check_can_write(const std::filesystem::path& path);

// Makes the folder, and those above it, where they are missing. Throws Error when that fails.
void create_folder(const std::filesystem::path& path);

}  // namespace convoy
