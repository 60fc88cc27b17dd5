// Files inside a tar archive, read without unpacking it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string_view>

#include "data/file_tree.h"

namespace convoy {

// The regular files of a tar archive, plain or compressed by gzip, xz, bzip2 or zstd. The archive is read through once,
// when it is opened: of a plain one the places of the files are kept, of a compressed one the files themselves.
// Hard links stand for the file they link to; symbolic links and paths with ".." are left out. Paths are relative and
// normal: "cat/1.jpg" of "/.//cat/1.jpg".
class Archive : public FileTree {
 public:
  // Keeps the files whose path `wanted` accepts. Throws Error when the file cannot be read, is no tar archive, is
  // truncated or damaged, has a path beyond 4096 bytes or a wanted hard link to a file that is not kept, or when the
  // files of a compressed one and their paths are larger than `memory_limit` together.
  Archive(std::filesystem::path file, const std::function<bool(std::string_view path)>& wanted, size_t memory_limit);
  ~Archive() override;
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  // In byte-wise order.
  std::vector<std::string> paths() const;

  bool has(const std::string& path) const override { return entries_.contains(path); }
  // "photos.tar:cat/1.jpg"
  std::string name(const std::string& path) const override;
  std::vector<uint8_t> read(const std::string& path) const override;

 private:
  // Bytes of the archive file, or of contents_.
  struct Entry {
    uint64_t offset = 0;
    uint64_t size = 0;
  };
  class Indexer;

  std::filesystem::path file_;
  int descriptor_ = -1;
  bool compressed_ = false;
  std::vector<uint8_t> contents_;
  std::map<std::string, Entry> entries_;
};

}  // namespace convoy
