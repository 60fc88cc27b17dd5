#include "data/cifar.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "convoy/error.h"
#include "data/pickled_cifar.h"

namespace convoy {
namespace {

constexpr int kSide = 32;
constexpr size_t kPlane = kSide * kSide;

struct Variant {
  std::string_view folder;  // as the published archive unpacks
  size_t classes;
  size_t label_bytes;  // before the pixels; the last one is the label
  std::string names_file;
  std::vector<std::string> train_files;
  std::string test_file;
  bool pickled = false;

  size_t record_bytes() const { return label_bytes + 3 * kPlane; }
};

const std::vector<Variant>& variants() {
  static const std::vector<Variant> all{
      {"cifar-10-batches-bin",
       10,
       1,
       "batches.meta.txt",
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
       "test_batch.bin"},
      {"cifar-100-binary", 100, 2, "fine_label_names.txt", {"train.bin"}, "test.bin"},
      {"cifar-10-batches-py",
       10,
       1,
       "batches.meta",
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
       "test_batch",
       true},
      {"cifar-100-python", 100, 1, "meta", {"train"}, "test", true}};
  return all;
}

class CifarFiles : public Dataset {
 public:
  CifarFiles(const Variant& variant, std::vector<std::string> class_names)
      : variant_(variant), class_names_(std::move(class_names)) {}

  void add(std::string file, std::vector<uint8_t> bytes) {
    const size_t record = variant_.record_bytes();
    if (bytes.empty() || bytes.size() % record != 0) {
      throw Error(fmt::format("{}: {} bytes; expected a multiple of {} (one CIFAR-{} image)", file, bytes.size(),
                              record, variant_.classes));
    }
    for (size_t start = 0; start < bytes.size(); start += record) {
      const size_t label = bytes[start + variant_.label_bytes - 1];
      if (label >= variant_.classes) {
        throw Error(fmt::format("{}: image {} has label {}; expected 0 to {}", file, start / record, label,
                                variant_.classes - 1));
      }
    }
    size_ += static_cast<int64_t>(bytes.size() / record);
    parts_.push_back({std::move(file), size_, std::move(bytes)});
  }

  int64_t size() const override { return size_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t index) const override { return find(index).record[variant_.label_bytes - 1]; }
  std::string name(int64_t index) const override {
    const Place place = find(index);
    return fmt::format("{} image {}", *place.file, place.number);
  }
  bool in_memory() const override { return true; }
  Image load(int64_t index) const override {
    const uint8_t* planes = find(index).record + variant_.label_bytes;
    Image image(kSide, kSide);
    uint8_t* out = image.row(0);
    for (size_t i = 0; i < kPlane; ++i, out += 3) {
      out[0] = planes[i];
      out[1] = planes[i + kPlane];
      out[2] = planes[i + 2 * kPlane];
    }
    return image;
  }

 private:
  struct Part {
    std::string file;
    int64_t end;  // index of the first sample of the next part
    std::vector<uint8_t> bytes;
  };
  struct Place {
    const std::string* file;
    int64_t number;  // within the file
    const uint8_t* record;
  };

  Place find(int64_t index) const {
    const auto part =
        std::upper_bound(parts_.begin(), parts_.end(), index, [](int64_t i, const Part& p) { return i < p.end; });
    const int64_t number = index - (part == parts_.begin() ? 0 : std::prev(part)->end);
    return {&part->file, number, part->bytes.data() + static_cast<size_t>(number) * variant_.record_bytes()};
  }

  const Variant& variant_;
  std::vector<std::string> class_names_;
  std::vector<Part> parts_;
  int64_t size_ = 0;
};

struct Found {
  const Variant* variant;
  std::string folder;
};

std::optional<Found> find_files(const FileTree& tree, const std::string& root) {
  for (const Variant& variant : variants()) {
    for (const std::string& folder : {root, fmt::format("{}{}/", root, variant.folder)}) {
      // Names without endings are CIFAR's only where they come together.
      if (variant.pickled && !tree.has(folder + variant.names_file)) continue;
      for (const std::string& file : {variant.train_files.front(), variant.test_file}) {
        if (tree.has(folder + file)) return Found{&variant, folder};
      }
    }
  }
  return std::nullopt;
}

// One a line.
std::vector<std::string> read_class_names(const FileTree& tree, const std::string& file, size_t classes) {
  if (!tree.has(file)) {
    throw FileError(
        fmt::format("{}: no such file; it names the classes of the CIFAR files beside it", tree.name(file)));
  }
  const std::vector<uint8_t> bytes = tree.read(file);
  std::istringstream stream(std::string(bytes.begin(), bytes.end()));
  std::vector<std::string> names;
  for (std::string line; std::getline(stream, line) && names.size() <= classes;) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() != classes) {
    throw Error(
        fmt::format("{}: expected {} class names, one a line, found {}", tree.name(file), classes, names.size()));
  }
  return names;
}

}  // namespace

bool has_cifar_files(const FileTree& tree, const std::string& folder) { return find_files(tree, folder).has_value(); }

DatasetPtr open_cifar(const FileTree& tree, const std::string& root, Split split) {
  const std::optional<Found> found = find_files(tree, root);
  if (!found) return nullptr;
  const auto& [variant, folder] = *found;
  const std::string names_file = folder + variant->names_file;
  auto dataset = std::make_shared<CifarFiles>(
      *variant, variant->pickled
                    ? read_pickled_cifar_names(tree.read(names_file), tree.name(names_file), variant->classes)
                    : read_class_names(tree, names_file, variant->classes));
  const std::vector<std::string> test_files{variant->test_file};
  for (const std::string& file : split == Split::val ? test_files : variant->train_files) {
    const std::string name = tree.name(folder + file);
    std::vector<uint8_t> bytes = tree.read(folder + file);
    dataset->add(name, variant->pickled ? read_pickled_cifar_records(bytes, name, variant->classes) : std::move(bytes));
  }
  return dataset;
}

bool is_cifar_name(std::string_view file_name) {
  return std::ranges::any_of(variants(), [&](const Variant& variant) {
    return file_name == variant.names_file || file_name == variant.test_file ||
           std::ranges::find(variant.train_files, file_name) != variant.train_files.end();
  });
}

}  // namespace convoy
