#include "data/file_tree.h"

#include "data/image.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class FolderTree : public FileTree {
 public:
  explicit FolderTree(fs::path root) : root_(std::move(root)) {}
  bool has(const std::string& path) const override {
    std::error_code unreadable;
    return fs::is_regular_file(root_ / path, unreadable);
  }
  std::string name(const std::string& path) const override { return (root_ / path).string(); }
  std::vector<uint8_t> read(const std::string& path) const override { return read_file(root_ / path); }

 private:
  fs::path root_;
};

}  // namespace

FileTreePtr make_folder_tree(fs::path root) { return std::make_shared<FolderTree>(std::move(root)); }

}  // namespace convoy
