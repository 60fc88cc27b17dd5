#include "data/sharded_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <utility>

#include "convoy/error.h"
#include "core/parallel.h"
#include "core/process.h"
#include "data/archive.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<int64_t> to_int(std::string_view digits) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

class ShardedTree : public FileTree {
 public:
  ShardedTree(const fs::path& pattern, const std::vector<fs::path>& files,
              const std::function<bool(std::string_view)>& wanted, size_t memory_limit)
      : name_(pattern.string()), shards_(files.size()) {
    std::error_code unknown;
    for (const fs::path& file : files) {
      if (!fs::exists(file, unknown)) {
        throw FileError(fmt::format("{}: no such file, expected because it is a shard of {}", file.string(), name_));
      }
    }
    if (!allow_open_files(files.size())) {
      throw FileError(
          fmt::format("{}: its {} shards are more files than this process may have open; raise the limit "
                      "(ulimit -n), or make fewer and larger shards",
                      name_, files.size()));
    }
    parallel_for_throwing(files.size(), [&](size_t shard) {
      shards_[shard] = std::make_unique<const Archive>(files[shard], wanted, memory_limit / files.size());
    });
    for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
      for (TreeEntry& entry : shards_[shard]->list()) places_.push_back({std::move(entry), shard});
    }
    std::ranges::stable_sort(places_, {}, &Place::path);
    check_twice();
    const auto same = [](const Place& a, const Place& b) { return a.path() == b.path(); };
    places_.erase(std::unique(places_.begin(), places_.end(), same), places_.end());
  }

  std::vector<TreeEntry> list() const override {
    std::vector<TreeEntry> list;
    for (const Place& place : places_) list.push_back(place.entry);
    return list;
  }
  bool has(const std::string& path) const override {
    const Archive* archive = find(path);
    return archive != nullptr && archive->has(path);
  }
  std::string name(const std::string& path) const override {
    const Archive* archive = find(path);
    if (archive != nullptr && !path.ends_with('/')) return archive->name(path);
    return path.empty() ? name_ : fmt::format("{}:{}", name_, path);
  }
  std::vector<uint8_t> read(const std::string& path) const override { return at(path).read(path); }
  std::vector<uint8_t> read_begin(const std::string& path, size_t most) const override {
    return at(path).read_begin(path, most);
  }
  std::optional<FileStamp> stamp(const std::string& path) const override {
    const Archive* archive = find(path);
    return archive == nullptr ? std::nullopt : archive->stamp(path);
  }
  uint32_t shard(const std::string& path) const override {
    const auto place = std::ranges::lower_bound(places_, path, {}, &Place::path);
    return place != places_.end() && place->path() == path ? place->shard : 0;
  }

 private:
  struct Place {
    TreeEntry entry;
    uint32_t shard = 0;

    const std::string& path() const { return entry.path; }
  };

  // Folders, and files that nobody reads, may be in several shards.
  void check_twice() const {
    for (size_t i = 1; i < places_.size(); ++i) {
      const std::string& path = places_[i].path();
      if (places_[i - 1].path() != path) continue;
      const Archive &first = *shards_[places_[i - 1].shard], &second = *shards_[places_[i].shard];
      if (!first.has(path) && !second.has(path)) continue;
      throw FileError(fmt::format("{}: is in another shard, too, {}; expected every file in one shard only",
                                  second.name(path), first.name("")));
    }
  }

  // The archive that lists the path; null where none does.
  const Archive* find(const std::string& path) const {
    const auto place = std::ranges::lower_bound(places_, path, {}, &Place::path);
    return place != places_.end() && place->path() == path ? shards_[place->shard].get() : nullptr;
  }
  const Archive& at(const std::string& path) const {
    if (const Archive* archive = find(path)) return *archive;
    throw FileError(fmt::format("{}: no such file in the shards", name(path)));
  }

  const std::string name_;
  std::vector<std::unique_ptr<const Archive>> shards_;
  std::vector<Place> places_;  // by path, each once
};

}  // namespace

std::optional<std::vector<fs::path>> shards_of(const fs::path& pattern) {
  const std::string name = pattern.filename().string();
  const size_t open = name.find('{'), dots = name.find("..", open), close = name.find('}', dots);
  if (close == std::string::npos) return std::nullopt;
  const std::string_view whole = name;
  const std::string_view first = whole.substr(open + 1, dots - open - 1),
                         last = whole.substr(dots + 2, close - dots - 2);
  if (!is_number(first) || !is_number(last)) return std::nullopt;
  const std::optional<int64_t> begin = to_int(first), end = to_int(last);
  const auto begins_with_zero = [](std::string_view digits) { return digits.size() > 1 && digits.front() == '0'; };
  const bool same_digits = first.size() == last.size();
  constexpr int64_t kMost = 100'000;
  if (!begin || !end || *end < *begin || *end - *begin >= kMost ||
      (!same_digits && (begins_with_zero(first) || begins_with_zero(last)))) {
    throw UsageError(fmt::format("{}: expected a range of shards such as {{0000..0127}}, {} at most, got {}",
                                 pattern.string(), kMost, whole.substr(open, close - open + 1)));
  }
  if (name.find('{', close) != std::string::npos) {
    throw UsageError(fmt::format("{}: expected one range of shards, got more", pattern.string()));
  }
  std::vector<fs::path> shards;
  for (int64_t number = *begin; number <= *end; ++number) {
    const size_t digits = same_digits ? first.size() : 1;
    shards.push_back(pattern.parent_path() /
                     fmt::format("{}{:0{}}{}", whole.substr(0, open), number, digits, whole.substr(close + 1)));
  }
  return shards;
}

FileTreePtr make_sharded_tree(const fs::path& pattern, const std::vector<fs::path>& shards,
                              const std::function<bool(std::string_view)>& wanted, size_t memory_limit) {
  return std::make_shared<const ShardedTree>(pattern, shards, wanted, memory_limit);
}

}  // namespace convoy
