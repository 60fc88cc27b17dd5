// Files under one root: a folder of the disk, an archive, or several archives that are one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/file_stamp.h"
#include "data/listing.h"

namespace convoy {

// Immutable; every member may be called from several threads at once. Paths are relative to the root.
class FileTree {
 public:
  virtual ~FileTree() = default;
  // Everything below the root that is not junk, in byte-wise order of the paths. Throws Error when the root cannot be
  // listed, and for folders that are nested too deep or in a circle of links.
  virtual std::vector<TreeEntry> list() const = 0;
  virtual bool has(const std::string& path) const = 0;
  // What to call the file or folder in a message.
  virtual std::string name(const std::string& path) const = 0;
  // The whole content. Throws Error that begins with name(path) when it cannot be read.
  virtual std::vector<uint8_t> read(const std::string& path) const = 0;
  // Its first bytes, at most `most`. Throws as read().
  virtual std::vector<uint8_t> read_begin(const std::string& path, size_t most) const = 0;
  // Of the file as it is now; nullopt where it is missing.
  virtual std::optional<FileStamp> stamp(const std::string& path) const = 0;
  // The number of the archive that holds the file, where the tree is spread over several.
  virtual uint32_t shard(const std::string& /*path*/) const { return 0; }
};

using FileTreePtr = std::shared_ptr<const FileTree>;

// The files below `root`, symbolic links followed; an empty root leaves paths as they are.
FileTreePtr make_folder_tree(std::filesystem::path root);

}  // namespace convoy
