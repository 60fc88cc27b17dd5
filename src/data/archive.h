// Files inside a tar or zip archive, read without unpacking it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string_view>

#include "data/file_tree.h"

namespace convoy {

// The regular files of a tar archive, plain or compressed by gzip, xz, bzip2 or zstd, or of a zip archive. The archive
// is read through once, when it is opened: of a plain one, and of what a zip archive stores or deflates, the places of
// the files are kept, of a compressed one the files themselves.
// Hard and symbolic links stand for the file they link to; paths with ".." are left out. Paths are relative and normal:
// "cat/1.jpg" of "/.//cat/1.jpg".
class Archive : public FileTree {
 public:
  // Keeps images, and the files whose path `wanted` accepts; the others are only listed. Throws Error when the file
  // cannot be read, is no such archive, is encrypted, truncated or damaged, has a path beyond 4096 bytes or 32 folders,
  // or a kept hard link to a file that is not kept, or when the files of a compressed one and all paths are larger than
  // `memory_limit` together.
  Archive(std::filesystem::path file, const std::function<bool(std::string_view path)>& wanted, size_t memory_limit);
  ~Archive() override;
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  // Of the files that are kept, in byte-wise order.
  std::vector<std::string> paths() const;

  std::vector<TreeEntry> list() const override;
  bool has(const std::string& path) const override;
  // "photos.tar:cat/1.jpg", "photos.tar" for the root.
  std::string name(const std::string& path) const override;
  std::vector<uint8_t> read(const std::string& path) const override;
  std::vector<uint8_t> read_begin(const std::string& path, size_t most) const override;
  std::optional<FileStamp> stamp(const std::string& path) const override;

 private:
  struct Entry {
    enum class Place : uint8_t { none, file, deflated_file, memory };  // none: the entry is only listed
    TreeEntry::Kind kind = TreeEntry::Kind::other;
    Place place = Place::none;
    uint64_t offset = 0;  // in the archive file or in contents_
    uint64_t size = 0;    // unpacked
  };
  class Indexer;

  // The entry of a file that is kept. Throws FileError where there is none.
  const Entry& kept(const std::string& path) const;
  // At most `most` bytes of the entry.
  std::vector<uint8_t> read_bytes(const std::string& path, const Entry& entry, uint64_t most) const;

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::optional<FileStamp> stamp_;  // of the archive when it was opened
  std::vector<uint8_t> contents_;
  std::map<std::string, Entry> entries_;
};

}  // namespace convoy
