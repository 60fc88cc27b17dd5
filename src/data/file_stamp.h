// What tells whether a file is still the one that was read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace convoy {

struct FileStamp {
  std::string file;  // the absolute path; of a file in an archive the archive's, ':' and the path within
  uint64_t bytes = 0;
  int64_t modified = 0;  // nanoseconds since 1970

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// nullopt where there is no such regular file.
std::optional<FileStamp> stamp_of(const std::filesystem::path& file);

}  // namespace convoy
