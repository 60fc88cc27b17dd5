#include "data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <span>

#include "convoy/error.h"
#include "core/random.h"
#include "data/cifar.h"
#include "data/open_tree.h"
#include "data/own_dataset.h"
#include "data/webdataset.h"

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
  Image load_with_damage(int64_t index, const DecodeOptions& options, std::string& damage) const override {
    return base_->load_with_damage(at(index), options, damage);
  }
  std::optional<FileStamp> stamp(int64_t index) const override { return base_->stamp(at(index)); }
  uint32_t shard(int64_t index) const override { return base_->shard(at(index)); }
  bool in_memory() const override { return base_->in_memory(); }

 private:
  int64_t at(int64_t index) const { return indices_[static_cast<size_t>(index)]; }

  DatasetPtr base_;
  std::vector<int64_t> indices_;
};

// A dataset with other class numbers.
class Renumbered : public Dataset {
 public:
  // numbers: what each class of `base` becomes.
  Renumbered(DatasetPtr base, std::vector<std::string> class_names, std::vector<int> numbers)
      : base_(std::move(base)), class_names_(std::move(class_names)), numbers_(std::move(numbers)) {}
  int64_t size() const override { return base_->size(); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t index) const override { return numbers_[static_cast<size_t>(base_->label(index))]; }
  std::string name(int64_t index) const override { return base_->name(index); }
  std::optional<std::vector<uint8_t>> encoded(int64_t index) const override { return base_->encoded(index); }
  Image load(int64_t index) const override { return base_->load(index); }
  Image load_with_damage(int64_t index, const DecodeOptions& options, std::string& damage) const override {
    return base_->load_with_damage(index, options, damage);
  }
  std::optional<FileStamp> stamp(int64_t index) const override { return base_->stamp(index); }
  uint32_t shard(int64_t index) const override { return base_->shard(index); }
  bool in_memory() const override { return base_->in_memory(); }

 private:
  DatasetPtr base_;
  std::vector<std::string> class_names_;
  std::vector<int> numbers_;
};

// The first few names that are not among the others.
std::vector<std::string> missing_from(std::vector<std::string> some, std::vector<std::string> others) {
  std::ranges::sort(some);
  std::ranges::sort(others);
  std::vector<std::string> missing;
  std::ranges::set_difference(some, others, std::back_inserter(missing));
  constexpr size_t kListed = 10;
  if (missing.size() > kListed) {
    const size_t more = missing.size() - kListed;
    missing.resize(kListed);
    missing.push_back(fmt::format("and {} more", more));
  }
  return missing;
}

// The folder, "" or one that ends in '/', with CIFAR files in it.
std::optional<std::string> cifar_folder(const FileTree& tree, const std::vector<TreeEntry>& entries) {
  std::vector<std::string> folders{""};
  const auto first =
      std::ranges::find_if(entries, [](const auto& entry) { return entry.path.find('/') != std::string::npos; });
  if (first != entries.end()) folders.push_back(first->path.substr(0, first->path.find('/') + 1));
  const auto found = std::ranges::find_if(folders, [&](const auto& folder) { return has_cifar_files(tree, folder); });
  return found == folders.end() ? std::nullopt : std::optional(*found);
}

Error lacks(const fs::path& root, std::string_view part) {
  return Error(fmt::format("{}: has folders for parts of a dataset, but no {} with one sub-folder a class",
                           root.string(), part));
}

}  // namespace

TrainVal open_parts(const fs::path& root, BadFolder bad_folder) {
  if (auto own = open_own_dataset(root)) return *std::move(own);
  const FileTreePtr tree = open_tree(root);
  std::vector<TreeEntry> entries = tree->list();
  if (const auto folder = cifar_folder(*tree, entries)) {
    const std::string source = tree->name(*folder);
    const DatasetPtr test = open_cifar(*tree, *folder, Split::val);
    return {.train = open_cifar(*tree, *folder, Split::train),
            .val = test,
            .test = test,
            .has_parts = true,
            .train_source = source,
            .val_source = source};
  }
  Layout layout = lay_out(*tree, std::move(entries), root);
  for (const DataProblem& problem : layout.problems) {
    const bool allowed = bad_folder == BadFolder::error_unless_empty && problem.kind == kEmptyClass;
    if (problem.severity == DataProblem::Severity::error && bad_folder != BadFolder::problem && !allowed) {
      throw Error(problem.text);
    }
  }
  TrainVal data{.train = nullptr, .has_parts = layout.has_parts, .problems = std::move(layout.problems)};
  const auto take = [&](std::optional<LayoutPart>& part, DatasetPtr& dataset) -> std::string {
    if (!part) return "";
    dataset = make_image_files(tree, std::move(part->class_names), std::move(part->files));
    return tree->name(part->folder);
  };
  data.train_source = take(layout.train, data.train);
  data.val_source = take(layout.val, data.val);
  take(layout.test, data.test);
  const auto test_validates = [](const DataProblem& problem) { return problem.kind == kTestValidates; };
  if (std::ranges::any_of(data.problems, test_validates)) data.test = data.val;
  return data;
}

TrainVal open_train_val(const fs::path& root, BadFolder bad_folder) {
  TrainVal data = open_parts(root, bad_folder);
  if (data.train == nullptr) throw lacks(root, "train/");
  return data;
}

TrainVal open_val(const fs::path& root, BadFolder bad_folder) {
  TrainVal data = open_parts(root, bad_folder);
  if (!data.has_parts) {
    data.val = data.train;
    data.val_source = data.train_source;
  }
  if (data.val == nullptr) throw lacks(root, "val/ or test/");
  return data;
}

DatasetPtr open_dataset(const fs::path& root, Split split) {
  return split == Split::train ? open_train_val(root).train : open_val(root).val;
}

uint64_t hash_of(const Dataset& dataset) {
  uint64_t hash = hash_name("images");
  const auto mix = [&](uint64_t word) { hash = (hash ^ word) * 0x100000001B3; };
  for (int64_t i = 0; i < dataset.size(); ++i) {
    mix(hash_name(std::filesystem::path(dataset.name(i)).filename().string()));
    mix(static_cast<uint64_t>(dataset.label(i)));
  }
  return hash;
}

DatasetPtr make_subset(DatasetPtr base, std::vector<int64_t> indices) {
  return std::make_shared<Subset>(std::move(base), std::move(indices));
}

std::vector<bool> draw_val(const std::vector<int>& labels, const std::vector<std::string>& class_names, double fraction,
                           uint64_t seed) {
  std::vector<std::vector<size_t>> by_class(class_names.size());
  for (size_t i = 0; i < labels.size(); ++i) by_class[static_cast<size_t>(labels[i])].push_back(i);
  std::vector<bool> in_val(labels.size());
  for (size_t label = 0; label < by_class.size(); ++label) {
    std::vector<size_t>& samples = by_class[label];
    const auto count = static_cast<int64_t>(samples.size());
    if (count == 1) {
      throw Error(fmt::format("class {} has a single image; splitting off validation images needs two in every class",
                              class_names[label]));
    }
    RandomStream random(seed, "val split", label);
    for (size_t i = samples.size(); i > 1; --i)
      std::swap(samples[i - 1], samples[random.below(static_cast<uint32_t>(i))]);
    const auto wanted = static_cast<int64_t>(std::llround(fraction * static_cast<double>(count)));
    const int64_t taken = std::clamp<int64_t>(wanted, std::min<int64_t>(count, 1), std::max<int64_t>(count - 1, 0));
    for (int64_t i = 0; i < taken; ++i) in_val[samples[static_cast<size_t>(i)]] = true;
  }
  return in_val;
}

TrainVal split_off_val(const DatasetPtr& dataset, double fraction, uint64_t seed) {
  std::vector<int> labels;
  for (int64_t i = 0; i < dataset->size(); ++i) labels.push_back(dataset->label(i));
  const std::vector<bool> in_val = draw_val(labels, dataset->class_names(), fraction, seed);
  std::vector<int64_t> train, val;
  for (int64_t i = 0; i < dataset->size(); ++i) (in_val[static_cast<size_t>(i)] ? val : train).push_back(i);
  return {make_subset(dataset, std::move(train)), make_subset(dataset, std::move(val))};
}

void match_classes(TrainVal& data) {
  const std::vector<std::string>& names = data.train->class_names();
  std::vector<int> numbers;
  for (const std::string& name : data.val->class_names()) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      throw Error(fmt::format("{} has classes that {} lacks: {}", data.val_source, data.train_source,
                              fmt::join(missing_from(data.val->class_names(), names), ", ")));
    }
    numbers.push_back(static_cast<int>(found - names.begin()));
  }
  if (const auto lacking = missing_from(names, data.val->class_names()); !lacking.empty()) {
    data.problems.push_back({DataProblem::Severity::warning,
                             "class-only-in-training",
                             fmt::format("{}: has no images of {}; the validation says nothing of them",
                                         data.val_source, fmt::join(lacking, ", ")),
                             {}});
  }
  if (data.val->class_names() != names) data.val = std::make_shared<Renumbered>(data.val, names, std::move(numbers));
}

}  // namespace convoy
