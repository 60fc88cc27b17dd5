// Looking for what is wrong with the images of a dataset.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "convoy/data.h"
#include "convoy/error.h"
#include "core/parallel.h"
#include "data/class_counts.h"
#include "data/dataset.h"

namespace convoy {
namespace {

using Severity = DataProblem::Severity;

// An image as the checks see it.
struct Seen {
  std::string name;
  int label = 0;  // in the list of all classes
  bool val = false;
  std::string error;  // why it cannot be decoded
  bool unsupported = false;
  std::string damage;  // that it was decoded in spite of
  uint64_t file_hash = 0;
  uint64_t pixel_hash = 0;
  int width = 0, height = 0;
  bool is_file = false;
  int orientation = 1;
  FileFormat format = FileFormat::jpeg;
  StoredColors colors = StoredColors::rgb;
};

uint64_t hash_of(const uint8_t* bytes, size_t size) {
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes), size});
}

void look(const Dataset& dataset, int64_t index, Seen& seen) try {
  seen.name = dataset.name(index);
  DecodedImage decoded;
  if (const auto bytes = dataset.encoded(index)) {
    seen.is_file = true;
    seen.file_hash = hash_of(bytes->data(), bytes->size());
    decoded = decode_stored(*bytes, seen.name);
  } else {
    decoded.image = dataset.load(index);
  }
  seen.orientation = decoded.orientation;
  seen.format = decoded.format;
  seen.colors = decoded.colors;
  seen.damage = decoded.damage;
  seen.width = decoded.image.width();
  seen.height = decoded.image.height();
  seen.pixel_hash = hash_of(decoded.image.row(0), decoded.image.bytes()) ^ (static_cast<uint64_t>(seen.width) << 32) ^
                    static_cast<uint64_t>(seen.orientation);
} catch (const UnsupportedImage& error) {
  seen.error = error.what();
  seen.unsupported = true;
} catch (const std::exception& error) {
  seen.error = error.what();
}

std::vector<Seen> look_at_all(const TrainVal& data, const std::vector<ClassCount>& classes) {
  std::map<std::string, int> labels;
  for (const ClassCount& count : classes) labels.emplace(count.class_name, static_cast<int>(labels.size()));
  std::vector<Seen> all(static_cast<size_t>(data.train->size() + (data.val == nullptr ? 0 : data.val->size())));
  size_t begin = 0;
  for (const DatasetPtr& dataset : {data.train, data.val}) {
    if (dataset == nullptr) continue;
    parallel_for(dataset->size(), [&](int64_t i, int /*worker*/) {
      Seen& seen = all[begin + static_cast<size_t>(i)];
      seen.val = dataset == data.val;
      seen.label = labels.at(dataset->class_names()[static_cast<size_t>(dataset->label(i))]);
      look(*dataset, i, seen);
    });
    begin += static_cast<size_t>(dataset->size());
  }
  return all;
}

// The findings under construction.
class Findings {
 public:
  explicit Findings(std::vector<DataProblem> problems) : problems_(std::move(problems)) {}

  // One problem that names every image for which `is_it` holds; `text` has a place for their number.
  void add_all(const std::vector<Seen>& images, Severity severity, std::string_view kind, std::string_view text,
               const std::function<bool(const Seen&)>& is_it) {
    DataProblem problem{severity, std::string(kind), "", {}};
    for (const Seen& seen : images) {
      if (is_it(seen)) problem.images.push_back(seen.name);
    }
    if (problem.images.empty()) return;
    problem.text = fmt::format(fmt::runtime(text), problem.images.size());
    problems_.push_back(std::move(problem));
  }

  void add(Severity severity, std::string_view kind, std::string text, std::vector<std::string> images = {}) {
    problems_.push_back({severity, std::string(kind), std::move(text), std::move(images)});
  }

  std::vector<DataProblem> take() {
    std::ranges::stable_sort(problems_, std::ranges::greater{}, &DataProblem::severity);
    return std::move(problems_);
  }

 private:
  std::vector<DataProblem> problems_;
};

void find_damaged(const std::vector<Seen>& images, Findings& findings) {
  for (const Seen& seen : images) {
    if (seen.unsupported) {
      findings.add(Severity::error, "unsupported", seen.error, {seen.name});
    } else if (!seen.error.empty()) {
      findings.add(Severity::error, "damaged", seen.error + "; repair or remove it", {seen.name});
    } else if (!seen.damage.empty()) {
      findings.add(Severity::warning, "damaged-but-read",
                   fmt::format("{}: damaged {}: {}; it is read all the same, but not with --on-bad-image strict",
                               seen.name, to_string(seen.format), seen.damage),
                   {seen.name});
    }
  }
}

// Groups of the same pixels, whether or not their files are the same, too.
void find_duplicates(const std::vector<Seen>& images, Findings& findings) {
  std::map<uint64_t, std::vector<const Seen*>> groups;
  for (const Seen& seen : images) {
    if (seen.error.empty()) groups[seen.pixel_hash].push_back(&seen);
  }
  for (const auto& entry : groups) {
    const std::vector<const Seen*>& group = entry.second;
    if (group.size() < 2) continue;
    std::vector<std::string> names;
    for (const Seen* seen : group) names.push_back(seen->name);
    const Seen& first = *group.front();
    const auto differ = [&](auto Seen::*member) {
      return std::ranges::any_of(group, [&](const Seen* seen) { return seen->*member != first.*member; });
    };
    const std::string_view what = first.is_file && !differ(&Seen::file_hash) ? "file" : "pixels";
    if (differ(&Seen::val)) {
      findings.add(Severity::error, "duplicate-across-split",
                   fmt::format("the same {} to train and to validate: the accuracy will be too high; keep one", what),
                   std::move(names));
    } else if (differ(&Seen::label)) {
      findings.add(Severity::error, "duplicate-across-classes",
                   fmt::format("the same {} in two classes: one of them is wrong; keep one", what), std::move(names));
    } else {
      findings.add(Severity::warning, "duplicate", fmt::format("the same {} twice: it counts double; keep one", what),
                   std::move(names));
    }
  }
}

void find_unusual(const std::vector<Seen>& images, Findings& findings) {
  constexpr int kTiny = 32;
  const auto good = [](auto is_it) { return [is_it](const Seen& seen) { return seen.error.empty() && is_it(seen); }; };
  findings.add_all(images, Severity::warning, "mislabelled-type",
                   "files of another type than their names say ({}): they are read, but other programs may refuse them",
                   good([](const Seen& seen) { return seen.is_file && seen.format != format_by_name(seen.name); }));
  findings.add_all(images, Severity::note, "grayscale",
                   "grayscale images ({}): they are read as equal red, green and blue",
                   good([](const Seen& seen) { return seen.colors == StoredColors::gray; }));
  findings.add_all(images, Severity::note, "cmyk", "CMYK images ({}): they are converted without their colour profile",
                   good([](const Seen& seen) { return seen.colors == StoredColors::cmyk; }));
  findings.add_all(images, Severity::note, "exif-rotated",
                   "images that are stored turned ({}): they are read upright, as their metadata say",
                   good([](const Seen& seen) { return seen.orientation != 1; }));
  findings.add_all(images, Severity::warning, "tiny", fmt::format("images with a side below {} pixels ({{}})", kTiny),
                   good([](const Seen& seen) { return std::min(seen.width, seen.height) < kTiny; }));
}

void find_class_problems(const std::vector<ClassCount>& classes, bool has_val, Findings& findings) {
  for (const auto& [name, train, val] : classes) {
    if (train == 0) {
      findings.add(Severity::error, "class-only-in-validation", fmt::format("class {} has no image to train on", name));
    }
    if (has_val && val == 0) {
      findings.add(Severity::warning, "class-only-in-training",
                   fmt::format("class {} has no image to validate with", name));
    }
  }
  constexpr int64_t kFew = 10;
  for (const auto& [name, train, val] : classes) {
    if (train > 0 && train < kFew) {
      findings.add(Severity::warning, "small-class",
                   fmt::format("class {} has only {} images to train on", name, train));
    }
  }
  const auto [least, most] = std::ranges::minmax_element(classes, {}, &ClassCount::train);
  constexpr int64_t kImbalance = 10;
  if (least->train > 0 && most->train >= kImbalance * least->train) {
    findings.add(Severity::warning, "imbalance",
                 fmt::format("class {} has {} times as many images as {} ({} and {}): the accuracy says little of {}",
                             most->class_name, most->train / least->train, least->class_name, most->train, least->train,
                             least->class_name));
  }
}

}  // namespace

int64_t DataCheck::count(Severity severity) const {
  return std::ranges::count(problems, severity, &DataProblem::severity);
}

DataCheck check_images(const std::filesystem::path& data) {
  const TrainVal parts = open_train_val(data, BadFolder::problem);
  DataCheck check;
  check.classes = count_classes(parts);
  const std::vector<Seen> images = look_at_all(parts, check.classes);
  check.images = static_cast<int64_t>(images.size());
  Findings findings(parts.problems);
  find_class_problems(check.classes, parts.val != nullptr, findings);
  find_damaged(images, findings);
  find_duplicates(images, findings);
  find_unusual(images, findings);
  check.problems = findings.take();
  return check;
}

}  // namespace convoy
