#include "data/file_tree.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "convoy/error.h"
#include "data/image.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// nullopt where the file cannot be read.
std::optional<std::vector<uint8_t>> first_bytes(const fs::path& file, size_t most) {
  std::vector<uint8_t> bytes(most);
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return std::nullopt;
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(stream.gcount()));
  return bytes;
}

// Lists a folder of the disk.
class Walk {
 public:
  explicit Walk(const fs::path& root) : root_(root) {}

  std::vector<TreeEntry> run() {
    if (const std::error_code error = enter(""); error) {
      throw FileError(fmt::format("{}: cannot be read: {}", root_.string(), error.message()));
    }
    std::ranges::sort(entries_, {}, &TreeEntry::path);
    return std::move(entries_);
  }

 private:
  // Adds what lies below the folder of that path; says why it cannot be read.
  std::error_code enter(const std::string& path) {
    struct stat status {};
    if (::stat((root_ / path).c_str(), &status) != 0) return {errno, std::generic_category()};
    const std::pair identity{status.st_dev, status.st_ino};
    if (std::ranges::find(above_, identity) != above_.end()) {
      throw Error(fmt::format("{}: is a link to a folder above it; remove the link", (root_ / path).string()));
    }
    if (above_.size() > kMostFolders) {
      throw Error(fmt::format("{}: folders are nested more than {} deep", (root_ / path).string(), kMostFolders));
    }
    std::error_code error;
    std::vector<fs::directory_entry> entries;
    for (fs::directory_iterator entry(root_ / path, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      entries.push_back(*entry);
    }
    std::ranges::sort(entries);  // the finder's answers depend on what it saw before
    above_.push_back(identity);
    for (const fs::directory_entry& entry : entries) add(entry, path);
    above_.pop_back();
    return error;
  }

  void add(const fs::directory_entry& entry, const std::string& parent) {
    const std::string name = entry.path().filename().string();
    if (is_junk(name)) return;
    using enum TreeEntry::Kind;
    const std::string path = parent + name;
    std::error_code error;
    const fs::file_status status = entry.status(error);
    if (fs::is_directory(status)) {
      const bool readable = !enter(path + "/");
      entries_.push_back({path + "/", readable ? folder : unreadable});
    } else if (fs::is_regular_file(status)) {
      const auto begin = [&] { return first_bytes(entry.path(), kFormatBytes).value_or(std::vector<uint8_t>()); };
      entries_.push_back({path, finder_(path, begin) ? image : other});
    } else {
      entries_.push_back({path, entry.is_symlink(error) ? broken_link : other});
    }
  }

  const fs::path root_;
  std::vector<std::pair<dev_t, ino_t>> above_;  // the folders that are entered
  ImageFinder finder_;
  std::vector<TreeEntry> entries_;
};

class FolderTree : public FileTree {
 public:
  explicit FolderTree(fs::path root) : root_(std::move(root)) {}
  std::vector<TreeEntry> list() const override { return Walk(root_).run(); }
  bool has(const std::string& path) const override {
    std::error_code unreadable;
    return fs::is_regular_file(root_ / path, unreadable);
  }
  std::string name(const std::string& path) const override {
    return path.empty() ? root_.string() : (root_ / path).string();
  }
  std::vector<uint8_t> read(const std::string& path) const override { return read_file(root_ / path); }
  std::vector<uint8_t> read_begin(const std::string& path, size_t most) const override {
    if (auto bytes = first_bytes(root_ / path, most)) return *std::move(bytes);
    throw FileError(fmt::format("{}: cannot be read: {}", name(path), std::generic_category().message(errno)));
  }
  std::optional<FileStamp> stamp(const std::string& path) const override { return stamp_of(root_ / path); }

 private:
  fs::path root_;
};

}  // namespace

FileTreePtr make_folder_tree(fs::path root) { return std::make_shared<FolderTree>(std::move(root)); }

}  // namespace convoy
