#include "data/unlabelled.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <system_error>

#include "convoy/error.h"
#include "core/text.h"
#include "data/file_format.h"
#include "data/open_tree.h"
#include "data/sharded_tree.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

struct Sample {
  std::string name;
  std::exception_ptr problem{};  // its message begins with the name; null where there is an image
  FileTreePtr tree{};            // null: the bytes are here
  std::string path{};            // in the tree
  std::vector<uint8_t> bytes{};
};

// Throws Error when it is empty, cannot be read or is larger than 1 GiB.
std::vector<uint8_t> read_standard_input() {
  constexpr size_t kLargest = size_t{1} << 30;
  std::vector<uint8_t> bytes;
  std::array<uint8_t, size_t{1} << 16> part{};
  ssize_t count = 0;
  while ((count = ::read(STDIN_FILENO, part.data(), part.size())) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileError(fmt::format("-: cannot be read: {}", std::generic_category().message(errno)));
    bytes.insert(bytes.end(), part.begin(), part.begin() + count);
    if (bytes.size() > kLargest) throw Error("-: standard input is larger than 1 GiB");
  }
  if (bytes.empty()) throw Error("-: standard input is empty");
  return bytes;
}

class Unlabelled : public Dataset {
 public:
  explicit Unlabelled(std::vector<Sample> samples) : samples_(std::move(samples)) {}

  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t) const override { return 0; }
  std::string name(int64_t index) const override { return at(index).name; }
  std::optional<std::vector<uint8_t>> encoded(int64_t index) const override {
    const Sample& sample = at(index);
    if (sample.problem) std::rethrow_exception(sample.problem);
    return sample.tree == nullptr ? sample.bytes : sample.tree->read(sample.path);
  }
  Image load(int64_t index) const override { return decode_image(*encoded(index), name(index)); }
  Image load_with_damage(int64_t index, const DecodeOptions& options, std::string& damage) const override {
    damage.clear();
    return decode_image(*encoded(index), name(index), options, &damage);
  }

 private:
  const Sample& at(int64_t index) const { return samples_[static_cast<size_t>(index)]; }

  std::vector<Sample> samples_;
  std::vector<std::string> class_names_{""};
};

bool is_archive_name(const fs::path& file) {
  constexpr std::array<std::string_view, 10> kEndings{".tar",     ".tar.gz", ".tgz",     ".tar.xz", ".txz",
                                                      ".tar.bz2", ".tbz2",   ".tar.zst", ".tzst",   ".zip"};
  const std::string name = lower_case(file.filename().string());
  return std::ranges::any_of(kEndings, [&](std::string_view ending) { return name.ends_with(ending); });
}

void append_samples(const fs::path& path, std::vector<Sample>& samples);

// The images of a folder or an archive, and what is in the archives of a folder.
void append_tree(const fs::path& root, std::vector<Sample>& samples) {
  const FileTreePtr tree = open_tree(root);
  const bool is_folder = fs::is_directory(root);
  const size_t before = samples.size();
  for (const TreeEntry& entry : tree->list()) {
    using enum TreeEntry::Kind;
    const std::string name = tree->name(entry.path);
    if (entry.kind == image) {
      samples.push_back({.name = name, .tree = tree, .path = entry.path});
    } else if (entry.kind == unreadable) {
      samples.push_back(
          {.name = name,
           .problem = std::make_exception_ptr(FileError(name + ": the folder cannot be read; check its permissions"))});
    } else if (is_folder && (entry.kind == broken_link ? format_by_name(name).has_value() : is_archive_name(name))) {
      append_samples(name, samples);
    }
  }
  if (samples.size() == before) throw Error(fmt::format("{}: no images in it", root.string()));
}

// What cannot be had becomes a sample with a problem.
void append_samples(const fs::path& path, std::vector<Sample>& samples) try {
  std::error_code unknown;
  const bool exists = fs::exists(path, unknown);
  if (path == "-") {
    samples.push_back({.name = "-", .bytes = read_standard_input()});
  } else if (fs::is_directory(path, unknown) || (exists ? is_archive_name(path) : shards_of(path).has_value())) {
    append_tree(path, samples);
  } else if (!exists) {
    const bool is_link = fs::is_symlink(path, unknown);
    throw FileError(fmt::format("{}: {}", path.string(), is_link ? "is a link to nothing" : "no such file or folder"));
  } else {
    samples.push_back({.name = path.string(), .tree = make_folder_tree({}), .path = path.string()});
  }
} catch (const Error&) {
  samples.push_back({.name = path.string(), .problem = std::current_exception()});
}

}  // namespace

DatasetPtr open_unlabelled(const std::vector<fs::path>& paths) {
  if (paths.empty()) throw Error("images: expected at least one");
  std::vector<Sample> samples;
  for (const fs::path& path : paths) append_samples(path, samples);
  return std::make_shared<Unlabelled>(std::move(samples));
}

}  // namespace convoy
