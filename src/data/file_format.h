// Which image format a file has, by its name or by its first bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

namespace convoy {

// avif and heif are both ISO base media files; pnm stands for PBM, PGM and PPM.
enum class FileFormat : uint8_t { jpeg, png, webp, bmp, gif, tiff, avif, heif, pnm };

std::string_view to_string(FileFormat format);  // "JPEG"

// The format that the file's extension names, in any letter case; nullopt: none of an image.
std::optional<FileFormat> format_by_name(const std::filesystem::path& file);

// The most bytes that format_by_content looks at.
inline constexpr size_t kFormatBytes = 32;

// The format whose signature `bytes`, the start of a file, begin with; nullopt: none.
std::optional<FileFormat> format_by_content(std::span<const uint8_t> bytes);

// Whether `bytes` has `wanted` at `offset`.
bool has_bytes_at(std::span<const uint8_t> bytes, size_t offset, std::string_view wanted);

}  // namespace convoy
