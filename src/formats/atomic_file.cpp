#include "formats/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "convoy/error.h"

namespace convoy {
namespace {

// A file that is deleted unless it was renamed into place.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& target) : target_(target), name_(target.string() + ".tmp") {
    descriptor_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail("create");
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!renamed_) ::unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::span<const std::byte> bytes) {
    constexpr size_t kLargestWrite = size_t{1} << 30;
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kLargestWrite));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("write");
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
  }

  void rename_into_place() {
    if (::fsync(descriptor_) != 0) fail("sync");
    if (::close(std::exchange(descriptor_, -1)) != 0) fail("close");
    if (::rename(name_.c_str(), target_.c_str()) != 0) fail("rename");
    renamed_ = true;
  }

 private:
  [[noreturn]] void fail(const char* action) const {
    throw FileError(
        fmt::format("{}: cannot {} the temporary file {}: {}", target_.string(), action, name_, std::strerror(errno)));
  }

  std::filesystem::path target_;
  std::string name_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder that may be written but not read: the rename is done, if perhaps not on disk
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

void write_file_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> pieces) {
  TemporaryFile file(path);
  for (const auto piece : pieces) file.write(piece);
  file.rename_into_place();
  sync_folder(path.parent_path());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  write_file_atomically(path, {&bytes, 1});
}

void check_can_write(const std::filesystem::path& path) {
  if (std::error_code unknown; std::filesystem::is_directory(path, unknown))
    throw FileError(fmt::format("{}: is a folder; name a file", path.string()));
  TemporaryFile file(path);
}

void create_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw FileError(fmt::format("{}: cannot create the folder: {}", path.string(), error.message()));
}

}  // namespace convoy
