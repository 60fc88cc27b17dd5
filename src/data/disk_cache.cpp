#include "data/disk_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "convoy/error.h"
#include "core/hash.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::array<char, 16> kMagic{'c', 'o', 'n', 'v', 'o', 'y', ' ', 'p', 'i', 'x', 'e', 'l', 's', ' ', '1', '\n'};
constexpr std::string_view kExtension = ".pixels", kUnfinished = ".tmp";
// Of the limit: what this process writes before it looks what others wrote.
constexpr uint64_t kShareBetweenScans = 16;

struct Header {
  std::array<char, 16> magic;
  uint64_t hash;
  uint64_t source_bytes;
  int64_t source_modified;
  uint32_t path_length;
  int32_t width, height;
  uint32_t zero;
};
static_assert(sizeof(Header) == 56);

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  explicit operator bool() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  // Whether the file, which is written, could be closed.
  bool close() { return ::close(std::exchange(descriptor_, -1)) == 0; }

 private:
  int descriptor_;
};

bool read_all(int descriptor, void* into, size_t bytes) {
  for (auto* at = static_cast<uint8_t*>(into); bytes > 0;) {
    const ssize_t got = ::read(descriptor, at, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool write_all(int descriptor, const void* from, size_t bytes) {
  for (const auto* at = static_cast<const uint8_t*>(from); bytes > 0;) {
    const ssize_t written = ::write(descriptor, at, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
    bytes -= static_cast<size_t>(written);
  }
  return true;
}

// Of the header behind `hash`, the path and the pixels. The pixels go as four streams, whose multiplications overlap.
uint64_t hash_of(const Header& header, std::string_view path, const Image& image) {
  constexpr size_t kHashed = offsetof(Header, source_bytes);
  uint64_t hash = hash_bytes(0xCBF29CE484222325, std::as_bytes(std::span(&header, 1)).subspan(kHashed));
  hash = hash_bytes(hash, std::as_bytes(std::span(path)));
  constexpr size_t kLanes = 4, kStep = kLanes * sizeof(uint64_t);
  std::array<uint64_t, kLanes> lanes{1, 2, 3, 4};
  const auto pixels = std::as_bytes(std::span(image.row(0), image.bytes()));
  size_t i = 0;
  for (; i + kStep <= pixels.size(); i += kStep) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = hash_bytes(lanes[lane], pixels.subspan(i + lane * sizeof(uint64_t), sizeof(uint64_t)));
    }
  }
  hash = hash_bytes(hash, std::as_bytes(std::span(lanes)));
  return hash_bytes(hash, pixels.subspan(i));
}

int64_t nanoseconds(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

// By the clock of files.
int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return nanoseconds(time);
}

std::optional<struct stat> status_of(const fs::path& file) {
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return status;
}

// Whether the cache wrote a file of that name, whole or not.
bool is_entry(const fs::path& file) {
  const std::string name = file.filename().string(), folder = file.parent_path().filename().string();
  const auto is_hex = [](std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  };
  constexpr size_t kDigits = 14;
  return folder.size() == 2 && is_hex(folder) && name.size() >= kDigits + kExtension.size() &&
         is_hex(std::string_view(name).substr(0, kDigits)) &&
         std::string_view(name).substr(kDigits).starts_with(kExtension);
}

}  // namespace

DiskCache::DiskCache(fs::path folder, uint64_t most_bytes)
    : folder_(std::move(folder)), most_bytes_(most_bytes), opened_(now()) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) {
    throw FileError(fmt::format("cache-dir: {} cannot be made: {}; choose another folder, or another --cache",
                                folder_.string(), error.message()));
  }
  const std::scoped_lock lock(mutex_);
  error = scan();
  if (error) throw FileError(fmt::format("cache-dir: {} cannot be listed: {}", folder_.string(), error.message()));
}

fs::path DiskCache::path_of(const FileStamp& stamp) const {
  const std::string name = fmt::format("{:016x}", hash_bytes(0xCBF29CE484222325, std::as_bytes(std::span(stamp.file))));
  return folder_ / name.substr(0, 2) / name.substr(2).append(kExtension);
}

std::error_code DiskCache::scan() {
  used_ = written_ = 0;
  old_.clear();
  std::error_code error;
  for (fs::directory_iterator folder(folder_, error), end; !error && folder != end; folder.increment(error)) {
    std::error_code unreadable;
    for (fs::directory_iterator file(folder->path(), unreadable); !unreadable && file != end;
         file.increment(unreadable)) {
      const auto status = is_entry(file->path()) ? status_of(file->path()) : std::nullopt;
      if (!status) continue;
      const auto bytes = static_cast<uint64_t>(status->st_size);
      used_ += bytes;
      if (nanoseconds(status->st_mtim) < opened_) old_.push_back({file->path(), bytes, nanoseconds(status->st_mtim)});
    }
  }
  std::ranges::sort(old_, std::ranges::greater(), &Entry::used);
  std::error_code unknown;
  const uint64_t available = fs::space(folder_, unknown).available;
  limit_ = unknown ? most_bytes_ : std::min(most_bytes_, (used_ + available) / 2);
  return error;
}

bool DiskCache::make_room(uint64_t bytes) {
  if (written_ > limit_ / kShareBetweenScans) scan();
  while (used_ + bytes > limit_ && !old_.empty()) {
    const Entry entry = std::move(old_.back());
    old_.pop_back();
    const auto status = status_of(entry.file);
    if (status && nanoseconds(status->st_mtim) != entry.used) continue;  // somebody uses it
    if (status && ::unlink(entry.file.c_str()) != 0) continue;
    used_ -= std::min(used_, entry.bytes);
  }
  return used_ + bytes <= limit_;
}

bool DiskCache::get(const FileStamp& stamp, Image& image) const {
  const Descriptor file(::open(path_of(stamp).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  Header header;
  if (!read_all(file.get(), &header, sizeof header) || header.magic != kMagic) return false;
  if (header.source_bytes != stamp.bytes || header.source_modified != stamp.modified) return false;
  if (header.path_length != stamp.file.size() || header.width < 1 || header.height < 1) return false;
  const int64_t pixels = int64_t{header.width} * header.height;
  if (pixels > DecodeOptions().max_pixels) return false;
  const auto size = static_cast<int64_t>(sizeof header + stamp.file.size()) + Image::kChannels * pixels;
  if (status.st_size != size) return false;
  std::string path(stamp.file.size(), '\0');
  if (!read_all(file.get(), path.data(), path.size()) || path != stamp.file) return false;
  image.reshape(header.width, header.height);
  if (!read_all(file.get(), image.row(0), image.bytes()) || hash_of(header, path, image) != header.hash) return false;
  if (nanoseconds(status.st_mtim) < opened_) ::futimens(file.get(), nullptr);  // it is in use
  return true;
}

void DiskCache::put(const FileStamp& stamp, const Image& image) {
  Header header{.magic = kMagic,
                .hash = 0,
                .source_bytes = stamp.bytes,
                .source_modified = stamp.modified,
                .path_length = static_cast<uint32_t>(stamp.file.size()),
                .width = image.width(),
                .height = image.height(),
                .zero = 0};
  const uint64_t bytes = sizeof header + stamp.file.size() + image.bytes();
  {
    const std::scoped_lock lock(mutex_);
    if (!accepts_) return;
    if (!make_room(bytes)) {
      accepts_ = false;
      return;
    }
    used_ += bytes;
    written_ += bytes;
  }
  header.hash = hash_of(header, stamp.file, image);
  static std::atomic<uint64_t> number{0};
  const fs::path place = path_of(stamp);
  fs::path unfinished = place;
  unfinished += fmt::format(".{}.{}{}", ::getpid(), number.fetch_add(1), kUnfinished);
  std::error_code ignored;
  fs::create_directory(place.parent_path(), ignored);
  Descriptor file(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  const bool written = file && write_all(file.get(), &header, sizeof header) &&
                       write_all(file.get(), stamp.file.data(), stamp.file.size()) &&
                       write_all(file.get(), image.row(0), image.bytes()) && file.close() &&
                       ::rename(unfinished.c_str(), place.c_str()) == 0;
  if (written) return;
  const int error = errno;
  ::unlink(unfinished.c_str());
  const std::scoped_lock lock(mutex_);
  if (accepts_.exchange(false)) {
    problem_ = fmt::format("cache: {} cannot be written: {}; images that it lacks are decoded every time",
                           place.string(), std::generic_category().message(error));
  }
}

std::string DiskCache::take_problem() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(problem_, {});
}

fs::path default_cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) return fs::path(cache) / "convoy";
  if (const std::string home = variable("HOME"); !home.empty()) return fs::path(home) / ".cache" / "convoy";
  throw UsageError("cache-dir: expected a folder, because neither XDG_CACHE_HOME nor HOME is set");
}

}  // namespace convoy
