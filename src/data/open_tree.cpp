#include "data/open_tree.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "core/buffer.h"
#include "data/archive.h"
#include "data/cifar.h"

namespace convoy {

namespace fs = std::filesystem;

FileTreePtr open_tree(const fs::path& root) {
  std::error_code unknown;
  if (!fs::exists(root, unknown)) throw FileError(fmt::format("{}: no such folder or archive", root.string()));
  if (fs::is_directory(root, unknown)) return make_folder_tree(root);
  const auto is_cifar = [](std::string_view path) { return is_cifar_name(fs::path(path).filename().native()); };
  return std::make_shared<const Archive>(root, is_cifar, available_memory() / 2);
}

}  // namespace convoy
