#include "data/open_tree.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "core/buffer.h"
#include "data/archive.h"
#include "data/cifar.h"
#include "data/sharded_tree.h"
#include "data/webdataset.h"

namespace convoy {

namespace fs = std::filesystem;

FileTreePtr open_tree(const fs::path& root) {
  std::error_code unknown;
  if (fs::is_directory(root, unknown)) return make_folder_tree(root);
  const auto wanted = [](std::string_view path) {
    return is_class_file(path) || is_cifar_name(fs::path(path).filename().native());
  };
  if (fs::exists(root, unknown)) return std::make_shared<const Archive>(root, wanted, available_memory() / 2);
  if (const auto shards = shards_of(root)) return make_sharded_tree(root, *shards, wanted, available_memory() / 2);
  throw FileError(fmt::format("{}: no such folder or archive", root.string()));
}

}  // namespace convoy
