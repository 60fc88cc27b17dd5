// Shards: archives that are one dataset together.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "data/file_tree.h"

namespace convoy {

// The files that a path stands for whose file name has a range in braces, as WebDataset's: "cat-{0000..0127}.tar" is
// cat-0000.tar to cat-0127.tar. Whether they are there is not looked at. nullopt where the name has no such range.
// Throws UsageError for a range that is none: its ends have the same number of digits, or begin with no zero, the first
// is not greater than the last, and it has 100,000 numbers at most.
std::optional<std::vector<std::filesystem::path>> shards_of(const std::filesystem::path& pattern);

// The files of all shards, which are opened on the threads of the current team. Each is called as in its archive.
// Throws Error where a shard is missing, as Archive does, where two of them hold a file of the same path, and where
// there are more than the process may have open. memory_limit: of all together.
FileTreePtr make_sharded_tree(const std::filesystem::path& pattern, const std::vector<std::filesystem::path>& shards,
                              const std::function<bool(std::string_view path)>& wanted, size_t memory_limit);

}  // namespace convoy
