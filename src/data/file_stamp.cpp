#include "data/file_stamp.h"

#include <sys/stat.h>

#include <system_error>

namespace convoy {

std::optional<FileStamp> stamp_of(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::error_code unknown;
  const std::filesystem::path absolute = std::filesystem::absolute(file, unknown);
  if (unknown) return std::nullopt;
  return FileStamp{absolute.lexically_normal().string(), static_cast<uint64_t>(status.st_size),
                   int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

}  // namespace convoy
