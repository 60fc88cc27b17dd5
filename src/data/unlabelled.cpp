#include "data/unlabelled.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "convoy/error.h"
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

// Throws Error where there is nothing.
void append_samples(const fs::path& path, std::vector<Sample>& samples) {
  std::error_code unknown;
  if (path == "-") {
    samples.push_back({.name = "-", .bytes = read_standard_input()});
  } else if (fs::is_directory(path, unknown)) {
    const std::vector<fs::path> files = images_below(path);
    if (files.empty()) throw Error(fmt::format("{}: no images below this folder", path.string()));
    const FileTreePtr tree = make_folder_tree({});
    for (const fs::path& file : files) samples.push_back({.name = file.string(), .tree = tree, .path = file.string()});
  } else if (fs::exists(path, unknown)) {
    samples.push_back({.name = path.string(), .tree = make_folder_tree({}), .path = path.string()});
  } else {
    const bool is_link = fs::is_symlink(path, unknown);
    throw Error(fmt::format("{}: {}", path.string(), is_link ? "is a link to nothing" : "no such file or folder"));
  }
}

}  // namespace

DatasetPtr open_unlabelled(const std::vector<fs::path>& paths) {
  if (paths.empty()) throw Error("images: expected at least one");
  std::vector<Sample> samples;
  for (const fs::path& path : paths) {
    try {
      append_samples(path, samples);
    } catch (const Error& error) {
      samples.push_back({.name = path.string(), .problem = error.what()});
    }
  }
  return std::make_shared<Unlabelled>(std::move(samples));
}

}  // namespace convoy
