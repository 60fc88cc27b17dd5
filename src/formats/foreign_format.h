// Files that hold networks in forms that Convoy does not read, told by their content.
#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace convoy {

// "is an ONNX file; ..." and what to do instead; empty when neither the first bytes nor the name tell.
std::string foreign_format(const std::filesystem::path& path, std::span<const std::byte> head);

// The same of a zip archive's entries, without the folder around them.
std::string foreign_archive(const std::set<std::string, std::less<>>& entries);

// The same of a folder.
std::string foreign_folder(const std::filesystem::path& folder);

}  // namespace convoy
