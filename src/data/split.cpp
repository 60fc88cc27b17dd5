// Dividing a folder of images into train/ and val/ on the disk.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "convoy/data.h"
#include "convoy/error.h"
#include "data/dataset.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// A file to write: sample `index` of the dataset.
struct Target {
  int64_t index = 0;
  fs::path path;  // below the output folder
};

// "a/1.jpg" of "root/cat/a/1.jpg" or "photos.tar:Images/cat/a/1.jpg".
std::string path_in_class(std::string_view name, const fs::path& root, const std::string& class_name) {
  std::string_view rest = name.substr(std::min(root.native().size(), name.size()));
  for (size_t at = rest.find(class_name); at != std::string_view::npos; at = rest.find(class_name, at + 1)) {
    const size_t end = at + class_name.size();
    const bool begins = at == 0 || rest[at - 1] == '/' || rest[at - 1] == ':';
    if (begins && end < rest.size() && rest[end] == '/') return std::string(rest.substr(end + 1));
  }
  return fs::path(name).filename().string();
}

// Whether each sample goes to val.
std::vector<bool> choose_val(const DatasetPtr& dataset, const SplitOptions& options) {
  std::vector<bool> in_val(static_cast<size_t>(dataset->size()));
  std::vector<int64_t> position(dataset->class_names().size());
  for (int64_t i = 0; i < dataset->size() && options.every > 0; ++i) {
    in_val[static_cast<size_t>(i)] = position[static_cast<size_t>(dataset->label(i))]++ % options.every == 0;
  }
  if (options.every == 0) {
    const TrainVal parts = split_off_val(dataset, options.fraction, options.seed);
    std::set<std::string> names;
    for (int64_t i = 0; i < parts.val->size(); ++i) names.insert(parts.val->name(i));
    for (int64_t i = 0; i < dataset->size(); ++i) in_val[static_cast<size_t>(i)] = names.contains(dataset->name(i));
  }
  return in_val;
}

std::vector<Target> plan_targets(const DatasetPtr& dataset, const fs::path& root, const SplitOptions& options,
                                 std::vector<ClassCount>& counts) {
  for (const std::string& name : dataset->class_names()) counts.push_back({name, 0, 0});
  const std::vector<bool> in_val = choose_val(dataset, options);
  std::vector<Target> targets;
  std::set<fs::path> taken;
  for (int64_t i = 0; i < dataset->size(); ++i) {
    const auto label = static_cast<size_t>(dataset->label(i));
    const std::string& class_name = dataset->class_names()[label];
    std::string file = path_in_class(dataset->name(i), root, class_name);
    std::ranges::replace(file, ' ', '_');
    const fs::path normal = fs::path(file).lexically_normal();
    if (normal.is_absolute() || *normal.begin() == "..") {
      throw Error(fmt::format("{}: its path leads out of the folder of its class; rename it", dataset->name(i)));
    }
    if (!taken.insert(fs::path(class_name) / file).second) {
      throw Error(
          fmt::format("{}: another image of the class is called {}, too, once spaces are replaced by '_'; rename one",
                      dataset->name(i), file));
    }
    const bool val = in_val[static_cast<size_t>(i)];
    targets.push_back({i, fs::path(val ? "val" : "train") / class_name / file});
    ++(val ? counts[label].val : counts[label].train);
  }
  return targets;
}

void write_file(const fs::path& path, const std::vector<uint8_t>& bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  if (!stream) throw Error(fmt::format("{}: cannot be written; is the disk full?", path.string()));
}

bool is_within(const fs::path& inner, const fs::path& outer) {
  const auto whole = [](const fs::path& path) { return fs::weakly_canonical(fs::current_path() / path); };
  return *whole(inner).lexically_relative(whole(outer)).begin() != "..";
}

// A folder that is renamed into place when it is whole, and removed otherwise.
class NewFolder {
 public:
  explicit NewFolder(const fs::path& target) : target_(target), temporary_(target.string() + ".tmp") {
    if (fs::exists(target) && !(fs::is_directory(target) && fs::is_empty(target))) {
      throw Error(fmt::format("{}: is there already; nothing is overwritten, choose another folder", target.string()));
    }
    if (fs::exists(temporary_)) {
      throw Error(fmt::format("{}: left by a split that was ended; remove it", temporary_.string()));
    }
    fs::create_directories(temporary_);
  }
  ~NewFolder() {
    std::error_code ignored;
    if (!done_) fs::remove_all(temporary_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const fs::path& path() const { return temporary_; }
  void finish() {
    fs::rename(temporary_, target_);
    done_ = true;
  }

 private:
  fs::path target_;
  fs::path temporary_;
  bool done_ = false;
};

}  // namespace

std::vector<ClassCount> split_images(const fs::path& data, const fs::path& output, const SplitOptions& options,
                                     const std::atomic<bool>* stop) try {
  if (options.every < 0 || options.every == 1) {
    throw UsageError(fmt::format("every: expected at least 2, got {}", options.every));
  }
  if (options.every == 0 && !(options.fraction > 0 && options.fraction < 1)) {
    throw UsageError(fmt::format("fraction: expected a share between 0 and 1, got {}", options.fraction));
  }
  fs::path root = data.lexically_normal();
  if (!root.has_filename()) root = root.parent_path();
  if (options.link && !fs::is_directory(root)) {
    throw UsageError(fmt::format("link: files of an archive cannot be linked to; {} is no folder", data.string()));
  }
  const TrainVal parts = open_train_val(root);
  if (parts.val != nullptr) throw Error(fmt::format("{}: has validation images already", data.string()));
  if (is_within(output, root)) {
    throw UsageError(fmt::format("{}: lies within {}, whose images it would become a part of; choose another folder",
                                 output.string(), data.string()));
  }
  std::vector<ClassCount> counts;
  const std::vector<Target> targets = plan_targets(parts.train, root, options, counts);
  NewFolder folder(output.has_filename() ? output : output.parent_path());
  for (const auto& [index, target] : targets) {
    if (stop != nullptr && stop->load()) return {};
    const fs::path path = folder.path() / target;
    fs::create_directories(path.parent_path());
    if (options.link) {
      fs::create_hard_link(fs::canonical(parts.train->name(index)), path);
    } else {
      write_file(path, parts.train->encoded(index).value());
    }
  }
  folder.finish();
  return counts;
} catch (const fs::filesystem_error& error) {
  throw Error(fmt::format("{}: cannot be made: {}",
                          error.path2().empty() ? error.path1().string() : error.path2().string(),
                          error.code().message()));
}

}  // namespace convoy
