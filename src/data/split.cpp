// Dividing a folder of images into train/ and val/ on the disk.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "convoy/data.h"
#include "convoy/error.h"
#include "data/dataset.h"
#include "data/open_tree.h"
#include "data/webdataset.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// A file to write.
struct Target {
  std::string source;  // in the tree
  fs::path path;       // below the output folder
};

// Whether each file goes to val.
std::vector<bool> choose_val(const LayoutPart& part, const SplitOptions& options) {
  std::vector<int> labels;
  for (const LabelledFile& file : part.files) labels.push_back(file.label);
  if (options.every == 0) return draw_val(labels, part.class_names, options.fraction, options.seed);
  std::vector<bool> in_val;
  std::vector<int64_t> position(part.class_names.size());
  for (const int label : labels) in_val.push_back(position[static_cast<size_t>(label)]++ % options.every == 0);
  return in_val;
}

// Gives files names that no other of their class has.
class FreeNames {
 public:
  // `path`, or where it is taken one with a number before its extension.
  fs::path take(const fs::path& path) {
    if (taken_.insert(path.string()).second) return path;
    int& number = last_number_.try_emplace(path.string(), 1).first->second;
    while (true) {
      const std::string name = fmt::format("{}_{}{}", path.stem().string(), ++number, path.extension().string());
      if (taken_.insert((path.parent_path() / name).string()).second) return path.parent_path() / name;
    }
  }

 private:
  std::set<std::string> taken_;
  std::map<std::string, int> last_number_;
};

std::vector<Target> plan_targets(const LayoutPart& part, const SplitOptions& options, SplitResult& result) {
  for (const std::string& name : part.class_names) result.classes.push_back({name, 0, 0});
  const std::vector<bool> in_val = choose_val(part, options);
  std::vector<Target> targets(part.files.size());
  FreeNames names;
  std::vector<std::string> numbered;
  // Those that keep their names come first.
  for (const bool changed : {false, true}) {
    for (size_t i = 0; i < part.files.size(); ++i) {
      const auto& [source, label, class_folder] = part.files[i];
      std::string file = source.substr(class_folder);
      if (options.replace_spaces) std::ranges::replace(file, ' ', '_');
      if ((file != source.substr(class_folder)) != changed) continue;
      ClassCount& count = result.classes[static_cast<size_t>(label)];
      ++(in_val[i] ? count.val : count.train);
      const fs::path wanted = fs::path(count.class_name) / file, path = names.take(wanted);
      if (path != wanted) numbered.push_back(path.string());
      targets[i] = {source, fs::path(in_val[i] ? "val" : "train") / path};
    }
  }
  if (!numbered.empty()) {
    std::string text =
        fmt::format("names that became one were given numbers ({}), such as {}", numbered.size(), numbered.front());
    result.problems.push_back({DataProblem::Severity::note, "numbered-name", std::move(text), std::move(numbered)});
  }
  return targets;
}

void write_file(const fs::path& path, const std::vector<uint8_t>& bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  if (!stream) throw FileError(fmt::format("{}: cannot be written; is the disk full?", path.string()));
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
      throw FileError(
          fmt::format("{}: is there already; nothing is overwritten, choose another folder", target.string()));
    }
    if (fs::exists(temporary_)) {
      throw FileError(fmt::format("{}: left by a split that was ended; remove it", temporary_.string()));
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

SplitResult split_images(const fs::path& data, const fs::path& output, const SplitOptions& options,
                         const std::atomic<bool>* stop) try {
  if (options.every < 0 || options.every == 1) {
    throw UsageError(fmt::format("every: expected at least 2, got {}", options.every));
  }
  if (options.every == 0 && !(options.fraction > 0 && options.fraction < 1)) {
    throw UsageError(fmt::format("fraction: expected a share between 0 and 1, got {}", options.fraction));
  }
  if (options.link && !fs::is_directory(data)) {
    throw UsageError(fmt::format("link: files of an archive cannot be linked to; {} is no folder", data.string()));
  }
  const FileTreePtr tree = open_tree(data);
  Layout layout = lay_out(*tree, tree->list(), data);
  if (layout.val || layout.test) throw Error(fmt::format("{}: has validation images already", data.string()));
  for (const DataProblem& problem : layout.problems) {
    if (problem.severity == DataProblem::Severity::error) throw Error(problem.text);
  }
  if (is_within(output, data)) {
    throw UsageError(fmt::format("{}: lies within {}, whose images it would become a part of; choose another folder",
                                 output.string(), data.string()));
  }
  SplitResult result{.classes = {}, .problems = std::move(layout.problems)};
  const std::vector<Target> targets = plan_targets(*layout.train, options, result);
  NewFolder folder(output.has_filename() ? output : output.parent_path());
  for (const auto& [source, target] : targets) {
    if (stop != nullptr && stop->load()) return {};
    const fs::path path = folder.path() / target;
    fs::create_directories(path.parent_path());
    if (options.link) {
      fs::create_hard_link(fs::canonical(tree->name(source)), path);
    } else {
      write_file(path, tree->read(source));
    }
  }
  folder.finish();
  return result;
} catch (const fs::filesystem_error& error) {
  throw FileError(fmt::format("{}: cannot be made: {}",
                              error.path2().empty() ? error.path1().string() : error.path2().string(),
                              error.code().message()));
}

}  // namespace convoy
