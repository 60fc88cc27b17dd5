#include "inference/evaluation_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "convoy/error.h"
#include "core/text.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// The samples of several datasets one after another, classes matched by name.
class Joined : public Dataset {
 public:
  explicit Joined(const std::vector<DatasetPtr>& parts) {
    for (const DatasetPtr& part : parts) {
      std::vector<int> numbers;
      for (const std::string& name : part->class_names()) {
        const auto found = std::ranges::find(class_names_, name);
        numbers.push_back(static_cast<int>(found - class_names_.begin()));
        if (found == class_names_.end()) class_names_.push_back(name);
      }
      parts_.push_back({part, size_, std::move(numbers)});
      size_ += part->size();
    }
  }
  int64_t size() const override { return size_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t index) const override {
    const Part& part = part_of(index);
    return part.numbers[static_cast<size_t>(part.images->label(index - part.first))];
  }
  std::string name(int64_t index) const override { return part_of(index).images->name(index - part_of(index).first); }
  std::optional<std::vector<uint8_t>> encoded(int64_t index) const override {
    return part_of(index).images->encoded(index - part_of(index).first);
  }
  Image load(int64_t index) const override { return part_of(index).images->load(index - part_of(index).first); }
  Image load_with_damage(int64_t index, const DecodeOptions& options, std::string& damage) const override {
    return part_of(index).images->load_with_damage(index - part_of(index).first, options, damage);
  }

 private:
  struct Part {
    DatasetPtr images;
    int64_t first = 0;         // its first sample's number
    std::vector<int> numbers;  // of its classes among all
  };

  const Part& part_of(int64_t index) const {
    return *std::prev(std::ranges::upper_bound(parts_, index, {}, &Part::first));
  }

  std::vector<Part> parts_;
  std::vector<std::string> class_names_;
  int64_t size_ = 0;
};

// A data set, and how it stands to the training.
struct Source {
  fs::path data;
  DatasetPtr train, val, test;  // null where there is no such part; test may be val
  bool trained = false;         // train is what the network was trained on
  fs::path val_data;            // where val is
  std::string val_description;  // "10 validation images of photos/val/"
  std::vector<std::string> warnings;
};

// Divides images without a validation part of their own as the training did. False where that does not give the images
// that were trained on.
bool divide(Source& source, const TrainingRecord& record) try {
  const TrainVal parts = split_off_val(source.train, record.val_split, static_cast<uint64_t>(record.seed));
  if (hash_of(*parts.train) != record.names) return false;
  source.train = parts.train;
  source.val = parts.val;
  source.val_description = fmt::format("{} images of {} that training held back (val-split {}, seed {})",
                                       parts.val->size(), source.data.string(), record.val_split, record.seed);
  return true;
} catch (const Error&) {  // a class has one image
  return false;
}

Source open_source(const fs::path& data, const std::optional<TrainingRecord>& record, BadFolder bad_folder) {
  const TrainVal parts = open_parts(data, bad_folder);
  Source source;
  source.data = source.val_data = data;
  source.train = parts.train;
  source.val = parts.val;
  source.test = parts.test;
  for (const DataProblem& problem : parts.problems) source.warnings.push_back(problem.text);
  if (source.val != nullptr) {
    source.val_description = fmt::format("{} validation images of {}", source.val->size(), parts.val_source);
  }
  if (!record || source.train == nullptr) return source;
  const bool divided = record->val_split > 0 && source.val == nullptr;
  source.trained = divided ? divide(source, *record) : hash_of(*source.train) == record->names;
  if (source.trained && !record->val.empty()) {
    source.val = open_val(record->val, bad_folder).val;
    source.val_data = record->val;
    source.val_description = fmt::format("{} images of {} that training validated on", source.val->size(), record->val);
  }
  return source;
}

EvaluationData part_of(const Source& source, EvaluationPart part) {
  const std::string data = source.data.string();
  const auto described = [&](const DatasetPtr& images, std::string_view what) {
    if (images == nullptr) throw Error(fmt::format("{}: has no {} images", data, what));
    return EvaluationData{images, source.data, fmt::format("{} {} images of {}", images->size(), what, data),
                          source.warnings};
  };
  if (part == EvaluationPart::held_out) part = source.val == nullptr ? EvaluationPart::all : EvaluationPart::val;
  switch (part) {
    case EvaluationPart::train: return described(source.train, "training");
    case EvaluationPart::test: return described(source.test, "test");
    case EvaluationPart::val:
      if (source.val == nullptr) {
        throw Error(fmt::format("{}: {}, so that there is no part val", data,
                                source.trained ? "training held back none of these images"
                                               : "has no validation images, and others than these were trained on"));
      }
      return {source.val, source.val_data, source.val_description, source.warnings};
    default: break;
  }
  std::vector<DatasetPtr> parts = {source.train, source.val, source.test == source.val ? nullptr : source.test};
  std::erase(parts, nullptr);
  const DatasetPtr all = parts.size() == 1 ? parts.front() : std::make_shared<Joined>(parts);
  return {all, source.data, fmt::format("all {} images of {}", all->size(), data), source.warnings};
}

// The data of that name; where there is no name, that of the training.
Source open_named_or_trained(const fs::path& data, const std::optional<TrainingRecord>& record,
                             const fs::path& model_file, BadFolder bad_folder) {
  if (!data.empty()) return open_source(data, record, bad_folder);
  if (!record) {
    throw Error(fmt::format("{}: does not say what it was trained on; name a folder of images", model_file.string()));
  }
  const Source source = open_source(record->data, record, bad_folder);
  if (!source.trained) {
    throw Error(
        fmt::format("{}: these are no longer the images that {} was trained on; name a folder to evaluate all the same",
                    record->data, model_file.string()));
  }
  return source;
}

}  // namespace

EvaluationData open_evaluation_data(const fs::path& data, EvaluationPart part,
                                    const std::optional<TrainingRecord>& record, const fs::path& model_file,
                                    BadFolder bad_folder) {
  return part_of(open_named_or_trained(data, record, model_file, bad_folder), part);
}

SeparateData open_separate_data(const fs::path& data, const std::optional<TrainingRecord>& record,
                                const fs::path& model_file, uint64_t seed) {
  const Source source = open_named_or_trained(data, record, model_file, BadFolder::error_unless_empty);
  if (source.train != nullptr && source.val != nullptr) {
    return {part_of(source, EvaluationPart::train), part_of(source, EvaluationPart::val)};
  }
  const EvaluationData all = part_of(source, EvaluationPart::all);
  const TrainVal halves = split_off_val(all.images, 0.5, seed);
  const auto half = [&](const DatasetPtr& images) {
    return EvaluationData{images, all.source,
                          fmt::format("{} images, one half of {} (seed {})", images->size(), all.description, seed),
                          all.warnings};
  };
  SeparateData separate{half(halves.train), half(halves.val)};
  separate.trained_on = source.trained;
  return separate;
}

std::vector<int> class_numbers(const Dataset& dataset, const fs::path& data, const std::vector<std::string>& names,
                               const fs::path& model_file) {
  std::vector<int> numbers;
  for (const std::string& name : dataset.class_names()) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      throw Error(fmt::format("{}: {}, which {} does not know", data.string(), unknown_name("class", name, names),
                              model_file.string()));
    }
    numbers.push_back(static_cast<int>(found - names.begin()));
  }
  return numbers;
}

}  // namespace convoy
