// The folders of a list of entries.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/listing.h"

namespace convoy {

// A folder of a list in byte-wise order: the entries whose path begins with `path`, its own perhaps the first.
struct TreeFolder {
  std::string_view path;  // "" or one that ends in '/'
  std::span<const TreeEntry> entries;

  // The last part of the path; there must be one.
  std::string_view name() const;
};

std::vector<TreeFolder> sub_folders(const TreeFolder& folder);

int64_t count_images(const TreeFolder& folder);
// Those that are in no sub-folder.
int64_t count_loose_images(const TreeFolder& folder);

}  // namespace convoy
