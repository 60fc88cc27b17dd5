#include "data/tree_folder.h"

#include <algorithm>

namespace convoy {

std::string_view TreeFolder::name() const {
  const std::string_view whole = path.substr(0, path.size() - 1);
  return whole.substr(whole.rfind('/') + 1);
}

std::vector<TreeFolder> sub_folders(const TreeFolder& folder) {
  std::vector<TreeFolder> result;
  for (auto entry = folder.entries.begin(); entry != folder.entries.end();) {
    const std::string_view path = entry->path;
    const size_t slash = path.find('/', folder.path.size());
    if (slash == std::string_view::npos) {
      ++entry;
      continue;
    }
    const std::string_view sub = path.substr(0, slash + 1);
    const auto end = std::find_if_not(entry, folder.entries.end(),
                                      [&](const TreeEntry& other) { return other.path.starts_with(sub); });
    result.push_back({sub, {entry, end}});
    entry = end;
  }
  return result;
}

int64_t count_images(const TreeFolder& folder) {
  return std::ranges::count(folder.entries, TreeEntry::Kind::image, &TreeEntry::kind);
}

int64_t count_loose_images(const TreeFolder& folder) {
  return std::ranges::count_if(folder.entries, [&](const TreeEntry& entry) {
    return entry.kind == TreeEntry::Kind::image && entry.path.find('/', folder.path.size()) == std::string::npos;
  });
}

}  // namespace convoy
