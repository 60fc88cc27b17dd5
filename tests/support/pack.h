// Archives for tests.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace convoy::testing {

using PackedFiles = std::vector<std::pair<std::string, std::string>>;  // path, content
using ArchiveFormat = int (*)(archive*);

// Writes an archive; the path of a folder ends in '/', and content "-> target" makes a hard link.
inline void pack(const std::filesystem::path& path, const PackedFiles& files,
                 ArchiveFormat format = archive_write_set_format_pax_restricted,
                 ArchiveFormat filter = archive_write_add_filter_none) {
  archive* writer = archive_write_new();
  format(writer);
  filter(writer);
  EXPECT_EQ(archive_write_open_filename(writer, path.c_str()), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  for (const auto& [file, content] : files) {
    archive_entry_clear(entry);
    archive_entry_set_pathname(entry, file.c_str());
    archive_entry_set_filetype(entry, file.ends_with('/') ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    const bool link = content.starts_with("-> ");
    archive_entry_set_size(entry, link ? 0 : static_cast<int64_t>(content.size()));
    if (link) archive_entry_set_hardlink(entry, content.substr(3).c_str());
    EXPECT_LE(archive_write_header(writer, entry), ARCHIVE_OK);
    if (!link) archive_write_data(writer, content.data(), content.size());
  }
  archive_entry_free(entry);
  EXPECT_EQ(archive_write_free(writer), ARCHIVE_OK);
}

}  // namespace convoy::testing
