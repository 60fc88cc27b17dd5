// Decoded images in files, for this run and later ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include "data/file_stamp.h"
#include "data/image.h"

namespace convoy {

// A folder of pixels by the file that they were decoded from. Several threads and processes may use it at once. An
// entry is written beside its place and renamed; what is damaged, or of a file that has changed, counts as missing.
//
// An entry is the file <2 hex>/<14 hex digits of a hash of the path>.pixels: the 16 bytes "convoy pixels 1\n", then, in
// the machine's byte order, uint64 hash of what follows, uint64 bytes and int64 time of the source file, uint32 length
// of its path, int32 width and height, uint32 zero, the path, and 3 * width * height bytes of red, green and blue.
class DiskCache {
 public:
  // The folder is made where it is missing. It holds at most `most_bytes`, and half of what it has and the disk has
  // free. Throws FileError when the folder cannot be made or listed.
  DiskCache(std::filesystem::path folder, uint64_t most_bytes);

  // The image of that file, into `image`, which keeps its memory; false where it is not there.
  bool get(const FileStamp& stamp, Image& image) const;

  // Whether put() may store an image; no more once there is no room or writing failed.
  bool accepts() const { return accepts_.load(std::memory_order_relaxed); }
  // Stores the image. Entries that nobody used since this cache was opened make room for it, the oldest first.
  void put(const FileStamp& stamp, const Image& image);

  // Why writing failed, one line, once; empty: it did not.
  std::string take_problem();

 private:
  struct Entry {
    std::filesystem::path file;
    uint64_t bytes = 0;
    int64_t used = 0;
  };

  std::filesystem::path path_of(const FileStamp& stamp) const;
  // What is there now; why the folder cannot be listed. The lock is held.
  std::error_code scan();
  // The lock is held.
  bool make_room(uint64_t bytes);

  const std::filesystem::path folder_;
  const uint64_t most_bytes_;
  const int64_t opened_;  // nanoseconds since 1970
  std::atomic<bool> accepts_{true};

  mutable std::mutex mutex_;
  uint64_t limit_ = 0;
  uint64_t used_ = 0;
  uint64_t written_ = 0;    // since the last scan
  std::vector<Entry> old_;  // not used since opened_, the oldest last
  std::string problem_;
};

using DiskCachePtr = std::shared_ptr<DiskCache>;

// $XDG_CACHE_HOME/convoy, or ~/.cache/convoy. Throws UsageError where neither variable is set.
std::filesystem::path default_cache_folder();

}  // namespace convoy
