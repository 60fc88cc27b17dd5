#include "data/unlabelled.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <iterator>
#include <system_error>

#include "convoy/error.h"
#include "core/buffer.h"
#include "data/archive.h"
#include "data/file_format.h"
#include "data/image_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

struct Sample {
  std::string name;
  std::string problem{};  // the message, beginning with the name, where there is no image
  FileTreePtr tree{};     // null: the bytes are here
  std::string path{};     // in the tree
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
    if (count < 0) throw Error(fmt::format("-: cannot be read: {}", std::generic_category().message(errno)));
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
    if (!sample.problem.empty()) throw Error(sample.problem);
    return sample.tree == nullptr ? sample.bytes : sample.tree->read(sample.path);
  }
  Image load(int64_t index) const override { return decode_image(*encoded(index), name(index)); }

 private:
  const Sample& at(int64_t index) const { return samples_[static_cast<size_t>(index)]; }

  std::vector<Sample> samples_;
  std::vector<std::string> class_names_{""};
};

bool is_archive_name(const fs::path& file) {
  constexpr std::array<std::string_view, 10> kEndings{".tar",     ".tar.gz", ".tgz",     ".tar.xz", ".txz",
                                                      ".tar.bz2", ".tbz2",   ".tar.zst", ".tzst",   ".zip"};
  std::string name = file.filename().string();
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::any_of(kEndings, [&](std::string_view ending) { return name.ends_with(ending); });
}

bool is_hidden(const fs::path& part) { return part.native().starts_with('.'); }

std::vector<fs::path> archives_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::follow_directory_symlink, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const fs::path name = entry->path().filename();
    std::error_code unknown;
    if (is_hidden(name)) entry.disable_recursion_pending();
    if (!is_hidden(name) && is_archive_name(name) && entry->is_regular_file(unknown)) files.push_back(entry->path());
  }
  if (error) throw Error(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  return files;
}

void append_archive(const fs::path& file, std::vector<Sample>& samples) {
  const auto is_image = [](std::string_view path) {
    return std::ranges::none_of(fs::path(path), is_hidden) && format_by_name(path);
  };
  const auto archive = std::make_shared<const Archive>(file, is_image, available_memory() / 2);
  const std::vector<std::string> paths = archive->paths();
  if (paths.empty()) throw Error(fmt::format("{}: no images in this archive", file.string()));
  for (const std::string& path : paths) samples.push_back({.name = archive->name(path), .tree = archive, .path = path});
}

void append_samples(const fs::path& path, std::vector<Sample>& samples);

void append_folder(const fs::path& folder, std::vector<Sample>& samples) {
  std::vector<fs::path> files = images_below(folder);
  std::ranges::move(archives_below(folder), std::back_inserter(files));
  if (files.empty()) throw Error(fmt::format("{}: no images below this folder", folder.string()));
  std::ranges::sort(files, {}, &fs::path::native);
  for (const fs::path& file : files) append_samples(file, samples);
}

// What cannot be had becomes a sample with a problem.
void append_samples(const fs::path& path, std::vector<Sample>& samples) try {
  std::error_code unknown;
  if (path == "-") {
    samples.push_back({.name = "-", .bytes = read_standard_input()});
  } else if (fs::is_directory(path, unknown)) {
    append_folder(path, samples);
  } else if (!fs::exists(path, unknown)) {
    const bool is_link = fs::is_symlink(path, unknown);
    throw Error(fmt::format("{}: {}", path.string(), is_link ? "is a link to nothing" : "no such file or folder"));
  } else if (is_archive_name(path)) {
    append_archive(path, samples);
  } else {
    samples.push_back({.name = path.string(), .tree = make_folder_tree({}), .path = path.string()});
  }
} catch (const Error& error) {
  samples.push_back({.name = path.string(), .problem = error.what()});
}

}  // namespace

DatasetPtr open_unlabelled(const std::vector<fs::path>& paths) {
  if (paths.empty()) throw Error("images: expected at least one");
  std::vector<Sample> samples;
  for (const fs::path& path : paths) append_samples(path, samples);
  return std::make_shared<Unlabelled>(std::move(samples));
}

}  // namespace convoy
