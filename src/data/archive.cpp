#include "data/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "convoy/error.h"

namespace convoy {
namespace {

constexpr size_t kBlock = size_t{1} << 16;

// "cat/1.jpg" of "/.//cat/1.jpg"; empty of a path with "..", which may lead out of the archive.
std::string below_root(std::string_view name) {
  const std::filesystem::path path(name);
  if (std::ranges::find(path, std::filesystem::path("..")) != path.end()) return "";
  return path.lexically_normal().relative_path().string();
}

}  // namespace

// Reads an archive through.
class Archive::Indexer {
 public:
  Indexer(Archive& archive, uint64_t file_size, size_t memory_limit)
      : archive_(archive),
        file_size_(file_size),
        memory_limit_(memory_limit),
        memory_left_(memory_limit),
        reader_(archive_read_new()) {
    archive_read_support_format_tar(reader_.get());
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
      archive_.compressed_ = archive_filter_count(reader_.get()) > 1;
      std::string path = below_root(text_of(entry, archive_entry_pathname, archive_entry_pathname_utf8));
      if (path.empty() || !wanted(path)) continue;
      if (const std::string_view target = text_of(entry, archive_entry_hardlink, archive_entry_hardlink_utf8);
          !target.empty()) {
        link(std::move(path), target);
      } else if (archive_entry_filetype(entry) == AE_IFREG) {
        add(std::move(path), entry);
      }
    }
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
    fail(fmt::format("cannot be read as a tar archive: {}", reason == nullptr ? "unknown format" : reason));
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

  void link(std::string path, std::string_view target) {
    const auto found = archive_.entries_.find(below_root(target));
    if (found == archive_.entries_.end()) {
      fail(fmt::format("{} is a hard link to {}, which is not read; pack with tar --hard-dereference", path, target));
    }
    place(std::move(path), found->second);
  }

  void place(std::string path, Archive::Entry entry) {
    if (archive_.compressed_) take_memory(sizeof(decltype(archive_.entries_)::value_type) + path.size());
    archive_.entries_[std::move(path)] = entry;
  }

  void take_memory(uint64_t bytes) {
    if (bytes > memory_left_) {
      fail(fmt::format("its files need more than {} MiB of memory; unpack it, or pack it without compression",
                       memory_limit_ >> 20));
    }
    memory_left_ -= bytes;
  }

  void add(std::string path, archive_entry* entry) {
    const int64_t size = archive_entry_size(entry);
    if (size < 0) fail(fmt::format("{} has a size of {}", path, size));
    Entry content{0, static_cast<uint64_t>(size)};
    if (archive_.compressed_) {
      content = keep();
    } else {
      if (archive_entry_sparse_count(entry) > 0) fail(fmt::format("{} is stored with holes; pack it without", path));
      content.offset = static_cast<uint64_t>(archive_filter_bytes(reader_.get(), 0));
      if (content.offset > file_size_ || content.size > file_size_ - content.offset) {
        fail(fmt::format("the archive is truncated within {}", path));
      }
    }
    place(std::move(path), content);
  }

  // Unpacks the entry at hand into the memory of the archive.
  Entry keep() {
    std::vector<uint8_t>& contents = archive_.contents_;
    const uint64_t begin = contents.size();
    const void* block = nullptr;
    size_t size = 0;
    int64_t offset = 0;
    while (true) {
      const int status = archive_read_data_block(reader_.get(), &block, &size, &offset);
      if (status == ARCHIVE_EOF) return {begin, contents.size() - begin};
      require(status);
      const uint64_t hole = static_cast<uint64_t>(offset) - (contents.size() - begin);
      take_memory(hole);
      take_memory(size);
      contents.resize(contents.size() + hole);
      const auto* bytes = static_cast<const uint8_t*>(block);
      contents.insert(contents.end(), bytes, bytes + size);
    }
  }

  Archive& archive_;
  const uint64_t file_size_;
  const size_t memory_limit_;
  uint64_t memory_left_;  // of a compressed archive
  const std::unique_ptr<archive, Free> reader_;
};

Archive::Archive(std::filesystem::path file, const std::function<bool(std::string_view path)>& wanted,
                 size_t memory_limit)
    : file_(std::move(file)), descriptor_(::open(file_.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
    const int error = errno;
    if (descriptor_ >= 0) ::close(descriptor_);
    throw Error(fmt::format("{}: cannot be read: {}", file_.string(), std::generic_category().message(error)));
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
  for (const auto& [path, entry] : entries_) paths.push_back(path);
  return paths;
}

std::string Archive::name(const std::string& path) const { return fmt::format("{}:{}", file_.string(), path); }

std::vector<uint8_t> Archive::read(const std::string& path) const {
  const auto found = entries_.find(path);
  if (found == entries_.end()) throw Error(fmt::format("{}: no such file in the archive", name(path)));
  const auto [offset, size] = found->second;
  if (compressed_) {
    const auto begin = contents_.begin() + static_cast<ptrdiff_t>(offset);
    return {begin, begin + static_cast<ptrdiff_t>(size)};
  }
  std::vector<uint8_t> bytes(size);
  for (uint64_t done = 0; done < size;) {
    const ssize_t got = ::pread(descriptor_, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw Error(fmt::format("{}: cannot be read: {}", name(path), std::generic_category().message(errno)));
    }
    if (got == 0) throw Error(fmt::format("{}: the archive became shorter", name(path)));
    done += static_cast<uint64_t>(got);
  }
  return bytes;
}

}  // namespace convoy
