#include "data/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "convoy/error.h"
#include "data/file_bytes.h"
#include "data/file_format.h"

namespace convoy {
namespace {

constexpr size_t kBlock = size_t{1} << 16;

// "cat/1.jpg" of "/.//cat/1.jpg", "cat" of "cat/"; empty of the root, and of a path with "..", which may lead out of
// it.
std::string below_root(std::string_view name) {
  const std::filesystem::path path(name);
  if (std::ranges::find(path, std::filesystem::path("..")) != path.end()) return "";
  std::string normal = path.lexically_normal().relative_path().string();
  if (normal.ends_with('/')) normal.pop_back();
  return normal == "." ? "" : normal;
}

bool is_within_junk(const std::string& path) {
  return std::ranges::any_of(std::filesystem::path(path), [](const auto& part) { return is_junk(part.native()); });
}

}  // namespace

// Reads an archive through.
class Archive::Indexer {
  using Place = Archive::Entry::Place;

 public:
  Indexer(Archive& archive, uint64_t file_size, size_t memory_limit)
      : archive_(archive),
        file_size_(file_size),
        memory_limit_(memory_limit),
        memory_left_(memory_limit),
        reader_(archive_read_new()) {
    archive_read_support_format_tar(reader_.get());
    archive_read_support_format_zip(reader_.get());
    archive_read_support_filter_gzip(reader_.get());
    archive_read_support_filter_xz(reader_.get());
    archive_read_support_filter_bzip2(reader_.get());
    archive_read_support_filter_zstd(reader_.get());
    require(archive_read_open_fd(reader_.get(), archive.descriptor_, kBlock));
  }

  void run(const std::function<bool(std::string_view)>& wanted) {
    archive_entry* entry = nullptr;
    while (true) {
      const int status = archive_read_next_header(reader_.get(), &entry);
      if (status == ARCHIVE_EOF) break;
      require(status);
      std::string path = below_root(text_of(entry, archive_entry_pathname, archive_entry_pathname_utf8));
      if (path.empty() || is_within_junk(path)) continue;
      if (std::ranges::count(path, '/') > kMostFolders)
        fail(fmt::format("{}: folders are nested more than {} deep", path, kMostFolders));
      if (const std::string_view target = text_of(entry, archive_entry_hardlink, archive_entry_hardlink_utf8);
          !target.empty()) {
        link(std::move(path), target, wanted);
      } else {
        add(std::move(path), entry, wanted);
      }
    }
    follow_links();
  }

 private:
  struct Free {
    void operator()(archive* reader) const { archive_read_free(reader); }
  };

  [[noreturn]] void fail(std::string_view problem) const {
    throw Error(fmt::format("{}: {}", archive_.file_.string(), problem));
  }

  // A warning is about a name that the locale cannot spell.
  void require(int status) const {
    if (status >= ARCHIVE_WARN) return;
    const char* reason = archive_error_string(reader_.get());
    fail(fmt::format("cannot be read as a tar or zip archive: {}", reason == nullptr ? "unknown format" : reason));
  }

  using Text = const char* (*)(archive_entry*);

  // What the locale cannot spell comes as UTF-8; empty where there is none.
  std::string_view text_of(archive_entry* entry, Text text, Text utf8) const {
    const char* found = text(entry);
    if (found == nullptr) found = utf8(entry);
    const std::string_view name = found == nullptr ? "" : found;
    constexpr size_t kLongest = 4096;  // of a path that Linux opens
    if (name.size() > kLongest) fail(fmt::format("has a path of {} bytes, expected at most {}", name.size(), kLongest));
    return name;
  }

  void link(std::string path, std::string_view target, const std::function<bool(std::string_view)>& wanted) {
    const auto found = archive_.entries_.find(below_root(target));
    if (found != archive_.entries_.end() && found->second.place != Place::none) {
      return place(std::move(path), found->second);
    }
    if (format_by_name(path) || wanted(path)) {
      fail(fmt::format("{} is a hard link to {}, which is not read; pack with tar --hard-dereference", path, target));
    }
    place(std::move(path), {});
  }

  void place(std::string path, const Archive::Entry& entry) {
    take_memory(sizeof(decltype(archive_.entries_)::value_type) + path.size());
    archive_.entries_[std::move(path)] = entry;
  }

  void take_memory(uint64_t bytes) {
    if (bytes > memory_left_) {
      fail(fmt::format("its files need more than {} MiB of memory; unpack it, or pack it without compression",
                       memory_limit_ >> 20));
    }
    memory_left_ -= bytes;
  }

  void add(std::string path, archive_entry* entry, const std::function<bool(std::string_view)>& wanted) {
    using enum TreeEntry::Kind;
    switch (archive_entry_filetype(entry)) {
      case AE_IFREG: return add_file(std::move(path), entry, wanted);
      case AE_IFDIR: return place(path + "/", {.kind = folder});
      case AE_IFLNK:
        links_.emplace_back(path, text_of(entry, archive_entry_symlink, archive_entry_symlink_utf8));
        return place(std::move(path), {.kind = broken_link});
      default: return place(std::move(path), {});
    }
  }

  // Where the bytes of the entry at hand can be found later.
  Place place_of(archive_entry* entry) const {
    if (archive_filter_count(reader_.get()) > 1 || archive_entry_size_is_set(entry) == 0) return Place::memory;
    if (archive_format(reader_.get()) != ARCHIVE_FORMAT_ZIP) return Place::file;
    const std::string_view format = archive_format_name(reader_.get());  // "ZIP 2.0 (deflation)"
    if (format.ends_with("(uncompressed)")) return Place::file;
    return format.ends_with("(deflation)") ? Place::deflated_file : Place::memory;
  }

  void add_file(std::string path, archive_entry* entry, const std::function<bool(std::string_view)>& wanted) {
    const int64_t size = archive_entry_size(entry);
    if (size < 0) fail(fmt::format("{} has a size of {}", path, size));
    if (archive_entry_is_data_encrypted(entry) != 0) fail(fmt::format("{} is encrypted; unpack the archive", path));
    Archive::Entry file{.place = place_of(entry), .size = static_cast<uint64_t>(size)};
    if (file.place != Place::memory) {
      if (archive_entry_sparse_count(entry) > 0) fail(fmt::format("{} is stored with holes; pack it without", path));
      file.offset = static_cast<uint64_t>(archive_filter_bytes(reader_.get(), 0));
      if (file.offset > file_size_ || (file.place == Place::file && file.size > file_size_ - file.offset)) {
        fail(fmt::format("the archive is truncated within {}", path));
      }
    }
    const auto begin = [&] {
      if (file.place != Place::memory) return archive_.read_bytes(path, file, kFormatBytes);
      peeked_ = next_block();
      if (!peeked_ || peeked_->offset > 0) return std::vector<uint8_t>();
      return std::vector<uint8_t>(peeked_->data, peeked_->data + std::min<uint64_t>(peeked_->size, kFormatBytes));
    };
    peeked_.reset();
    if (finder_(path, begin)) file.kind = TreeEntry::Kind::image;
    const bool kept = file.kind == TreeEntry::Kind::image || wanted(path);
    if (!kept) file.place = Place::none;
    if (file.place == Place::memory) keep(file);
    place(std::move(path), file);
  }

  struct Block {
    const uint8_t* data = nullptr;
    uint64_t size = 0;
    uint64_t offset = 0;
  };

  // Of the entry at hand; nullopt behind its last.
  std::optional<Block> next_block() {
    if (peeked_) return std::exchange(peeked_, std::nullopt);
    const void* data = nullptr;
    size_t size = 0;
    int64_t offset = 0;
    const int status = archive_read_data_block(reader_.get(), &data, &size, &offset);
    if (status == ARCHIVE_EOF) return std::nullopt;
    require(status);
    return Block{static_cast<const uint8_t*>(data), size, static_cast<uint64_t>(offset)};
  }

  // Unpacks the entry at hand into the memory of the archive.
  void keep(Archive::Entry& file) {
    std::vector<uint8_t>& contents = archive_.contents_;
    file.offset = contents.size();
    while (const auto block = next_block()) {
      const uint64_t hole = block->offset - (contents.size() - file.offset);
      take_memory(hole);
      take_memory(block->size);
      contents.resize(contents.size() + hole);
      contents.insert(contents.end(), block->data, block->data + block->size);
    }
    file.size = contents.size() - file.offset;
  }

  // Once all files are known.
  void follow_links() {
    for (const auto& [path, target] : links_) {
      const std::string file = (std::filesystem::path(path).parent_path() / target).lexically_normal().string();
      const auto found = archive_.entries_.find(file);
      if (found != archive_.entries_.end() && found->second.place != Place::none)
        archive_.entries_[path] = found->second;
    }
  }

  Archive& archive_;
  const uint64_t file_size_;
  const size_t memory_limit_;
  uint64_t memory_left_;  // of a compressed archive
  const std::unique_ptr<archive, Free> reader_;
  ImageFinder finder_;
  std::optional<Block> peeked_;
  std::vector<std::pair<std::string, std::string>> links_;  // symbolic ones, and their targets
};

Archive::Archive(std::filesystem::path file, const std::function<bool(std::string_view path)>& wanted,
                 size_t memory_limit)
    : file_(std::move(file)), descriptor_(::open(file_.c_str(), O_RDONLY | O_CLOEXEC)), stamp_(stamp_of(file_)) {
  struct stat status {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
    const int error = errno;
    if (descriptor_ >= 0) ::close(descriptor_);
    throw FileError(fmt::format("{}: cannot be read: {}", file_.string(), std::generic_category().message(error)));
  }
  try {
    Indexer(*this, static_cast<uint64_t>(status.st_size), memory_limit).run(wanted);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
  contents_.shrink_to_fit();
}

Archive::~Archive() { ::close(descriptor_); }

std::vector<std::string> Archive::paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : entries_) {
    if (entry.place != Entry::Place::none) paths.push_back(path);
  }
  return paths;
}

std::vector<TreeEntry> Archive::list() const {
  std::vector<TreeEntry> list;
  for (const auto& [path, entry] : entries_) list.push_back({path, entry.kind});
  return list;
}

bool Archive::has(const std::string& path) const {
  const auto found = entries_.find(path);
  return found != entries_.end() && found->second.place != Entry::Place::none;
}

std::string Archive::name(const std::string& path) const {
  return path.empty() ? file_.string() : fmt::format("{}:{}", file_.string(), path);
}

const Archive::Entry& Archive::kept(const std::string& path) const {
  if (!has(path)) throw FileError(fmt::format("{}: no such file in the archive", name(path)));
  return entries_.at(path);
}

std::vector<uint8_t> Archive::read(const std::string& path) const {
  const Entry& entry = kept(path);
  constexpr uint64_t kMost = uint64_t{1} << 30;
  if (entry.size > kMost) {
    throw Error(fmt::format("{}: is larger than {} MiB, the most that is read", name(path), kMost >> 20));
  }
  return read_bytes(path, entry, entry.size);
}

std::vector<uint8_t> Archive::read_begin(const std::string& path, size_t most) const {
  return read_bytes(path, kept(path), most);
}

std::optional<FileStamp> Archive::stamp(const std::string& path) const {
  if (!stamp_ || !has(path)) return std::nullopt;
  FileStamp stamp = *stamp_;
  stamp.file.append(":").append(path);
  return stamp;
}

std::vector<uint8_t> Archive::read_bytes(const std::string& path, const Entry& entry, uint64_t most) const {
  const uint64_t size = std::min(entry.size, most);
  switch (entry.place) {
    case Entry::Place::file: return read_at(descriptor_, entry.offset, size, name(path));
    case Entry::Place::deflated_file: return inflate_at(descriptor_, entry.offset, size, name(path));
    default: break;
  }
  const auto begin = contents_.begin() + static_cast<ptrdiff_t>(entry.offset);
  return {begin, begin + static_cast<ptrdiff_t>(size)};
}

}  // namespace convoy
