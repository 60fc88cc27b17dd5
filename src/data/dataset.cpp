#include "data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <span>

#include "convoy/error.h"
#include "core/random.h"
#include "data/archive_dataset.h"
#include "data/cifar.h"
#include "data/image_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// Some samples of another dataset.
class Subset : public Dataset {
 public:
  Subset(DatasetPtr base, std::vector<int64_t> indices) : base_(std::move(base)), indices_(std::move(indices)) {}
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const std::vector<std::string>& class_names() const override { return base_->class_names(); }
  int label(int64_t index) const override { return base_->label(at(index)); }
  std::string name(int64_t index) const override { return base_->name(at(index)); }
  std::optional<std::vector<uint8_t>> encoded(int64_t index) const override { return base_->encoded(at(index)); }
  Image load(int64_t index) const override { return base_->load(at(index)); }
  Image load_with_damage(int64_t index, std::string& damage) const override {
    return base_->load_with_damage(at(index), damage);
  }
  bool in_memory() const override { return base_->in_memory(); }

 private:
  int64_t at(int64_t index) const { return indices_[static_cast<size_t>(index)]; }

  DatasetPtr base_;
  std::vector<int64_t> indices_;
};

// The folder below `root` that holds a split, when root has train/ and folders in it.
std::optional<fs::path> split_folder(const fs::path& root, Split split) {
  if (!has_sub_folders(root / "train")) return std::nullopt;
  if (split == Split::train) return root / "train";
  for (const std::string_view name : kValFolders) {
    if (has_sub_folders(root / name)) return root / name;
  }
  return std::nullopt;
}

Error no_val(const fs::path& root) {
  return Error(fmt::format("{}: has train/ but neither val/ nor test/ with one sub-folder a class", root.string()));
}

// Throws Error when there is nothing.
bool is_file(const fs::path& root) {
  std::error_code unknown;
  if (!fs::exists(root, unknown)) throw Error(fmt::format("{}: no such folder or archive", root.string()));
  return !fs::is_directory(root, unknown);
}

std::vector<std::string> missing_from(std::span<const std::string> some, std::span<const std::string> others) {
  std::vector<std::string> missing;
  std::set_difference(some.begin(), some.end(), others.begin(), others.end(), std::back_inserter(missing));
  constexpr size_t kListed = 10;
  if (missing.size() > kListed) {
    const size_t more = missing.size() - kListed;
    missing.resize(kListed);
    missing.push_back(fmt::format("and {} more", more));
  }
  return missing;
}

}  // namespace

DatasetPtr open_dataset(const fs::path& root, Split split) {
  if (is_file(root)) {
    const TrainVal both = open_archive(root);
    if (split == Split::train) return both.train;
    if (both.val == nullptr) throw no_val(root);
    return both.val;
  }
  if (DatasetPtr cifar = open_cifar(*make_folder_tree(root), "", split)) return cifar;
  if (const auto folder = split_folder(root, split)) return open_image_folder(*folder);
  if (split_folder(root, Split::train)) throw no_val(root);
  return open_image_folder(root);
}

TrainVal open_train_val(const fs::path& root) {
  if (is_file(root)) {
    TrainVal both = open_archive(root);
    if (both.val == both.train) both.val = nullptr;
    return both;
  }
  const bool has_val = has_cifar_files(*make_folder_tree(root), "") || split_folder(root, Split::val);
  return {open_dataset(root, Split::train), has_val ? open_dataset(root, Split::val) : nullptr};
}

DatasetPtr make_subset(DatasetPtr base, std::vector<int64_t> indices) {
  return std::make_shared<Subset>(std::move(base), std::move(indices));
}

TrainVal split_off_val(DatasetPtr dataset, double fraction, uint64_t seed) {
  std::vector<std::vector<int64_t>> by_class(dataset->class_names().size());
  for (int64_t i = 0; i < dataset->size(); ++i) by_class[static_cast<size_t>(dataset->label(i))].push_back(i);
  std::vector<int64_t> train, val;
  for (size_t label = 0; label < by_class.size(); ++label) {
    std::vector<int64_t>& samples = by_class[label];
    const auto count = static_cast<int64_t>(samples.size());
    if (count == 1) {
      throw Error(fmt::format("class {} has a single image; splitting off validation images needs two in every class",
                              dataset->class_names()[label]));
    }
    RandomStream random(seed, "val split", label);
    for (size_t i = samples.size(); i > 1; --i)
      std::swap(samples[i - 1], samples[random.below(static_cast<uint32_t>(i))]);
    const auto wanted = static_cast<int64_t>(std::llround(fraction * static_cast<double>(count)));
    const auto border =
        samples.begin() + std::clamp<int64_t>(wanted, std::min<int64_t>(count, 1), std::max<int64_t>(count - 1, 0));
    val.insert(val.end(), samples.begin(), border);
    train.insert(train.end(), border, samples.end());
  }
  std::sort(train.begin(), train.end());
  std::sort(val.begin(), val.end());
  return {make_subset(dataset, std::move(train)), make_subset(dataset, std::move(val))};
}

void check_same_classes(const Dataset& train, const Dataset& val) {
  const std::vector<std::string>& a = train.class_names();
  const std::vector<std::string>& b = val.class_names();
  if (a == b) return;
  std::vector<std::string> sorted_a = a, sorted_b = b;
  std::sort(sorted_a.begin(), sorted_a.end());
  std::sort(sorted_b.begin(), sorted_b.end());
  std::string differences;
  for (const auto& [missing, where] :
       {std::pair{missing_from(sorted_a, sorted_b), "training"}, {missing_from(sorted_b, sorted_a), "validation"}}) {
    if (!missing.empty())
      differences += fmt::format("{}only in {}: {}", differences.empty() ? "" : "; ", where, fmt::join(missing, ", "));
  }
  if (differences.empty()) differences = "the same classes in another order";
  throw Error(fmt::format("training and validation data have different classes; {}", differences));
}

}  // namespace convoy
