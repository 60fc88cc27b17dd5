#include "train/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <system_error>

#include "convoy/error.h"
#include "convoy/version.h"
#include "formats/atomic_file.h"
#include "train/state_file.h"

namespace convoy {
namespace {

std::string numbered(const std::string& name, int number) {
  return number == 1 ? name : fmt::format("{}-{}", name, number);
}

bool holds_run(const std::filesystem::path& folder) { return StateFiles(folder).exist() || !model_in(folder).empty(); }

// The greatest number of a run of that name; 0: there is none.
int last_number(const std::filesystem::path& output, const std::string& name) {
  int last = holds_run(output / name) ? 1 : 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(output, ignored)) {
    const std::string folder = entry.path().filename().string();
    if (!folder.starts_with(name + "-")) continue;
    int number = 0;
    std::from_chars(folder.data() + name.size() + 1, folder.data() + folder.size(), number);
    if (folder == numbered(name, number) && holds_run(entry.path())) last = std::max(last, number);
  }
  return last;
}

}  // namespace

std::filesystem::path model_in(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const char* file : {kBestFile, kLastFile}) {
    if (std::filesystem::exists(folder / file, ignored)) return folder / file;
  }
  return {};
}

std::filesystem::path model_file_of(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return path;
  const std::filesystem::path file = model_in(path);
  if (!file.empty()) return file;
  throw FileError(fmt::format("{}: expected a model file or a run folder, found neither {} nor {} in it", path.string(),
                              kBestFile, kLastFile));
}

std::filesystem::path settle_run_folder(Recipe& recipe) {
  const std::filesystem::path output = recipe.output;
  if (recipe.experiment.empty()) {
    const int last = last_number(output, recipe.model);
    recipe.experiment = numbered(recipe.model, recipe.resume && last > 0 ? last : last + 1);
  }
  const std::filesystem::path folder = output / recipe.experiment;
  if (!holds_run(folder)) return folder;
  if (!recipe.resume) {
    throw UsageError(fmt::format("{} already holds a run; add --resume to continue it, or choose another --experiment",
                                 folder.string()));
  }
  if (!StateFiles(folder).exist()) {
    throw UsageError(fmt::format(
        "{}: cannot resume: state-a.safetensors and state-b.safetensors are missing; put one back, or start another "
        "--experiment from the weights: --initial-checkpoint {}",
        folder.string(), model_in(folder).string()));
  }
  return folder;
}

std::filesystem::path create_numbered_folder(Recipe& recipe) {
  const std::filesystem::path output = recipe.output;
  create_folder(output);
  for (int number = last_number(output, recipe.model) + 1;; ++number) {
    recipe.experiment = numbered(recipe.model, number);
    const std::filesystem::path folder = output / recipe.experiment;
    std::error_code error;
    if (std::filesystem::create_directory(folder, error)) return folder;
    if (error) throw FileError(fmt::format("{}: cannot create the folder: {}", folder.string(), error.message()));
  }
}

RunFolderLock::RunFolderLock(const std::filesystem::path& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  throw FileError(
      fmt::format("{}: another process trains here; wait for it, or choose another --experiment", folder.string()));
}

RunFolderLock::~RunFolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void begin_run_folder(const std::filesystem::path& folder, const Recipe& recipe, const std::string& command) {
  Recipe kept = recipe;
  kept.resume = false;
  write_file_atomically(folder / "recipe.toml", to_toml(kept));
  if (command.empty()) return;
  const std::filesystem::path path = folder / "command.txt";
  std::ofstream out(path, std::ios::app);
  out << "convoy " << version() << ": " << command << '\n';
  out.flush();
  if (!out) throw FileError(fmt::format("{}: cannot write", path.string()));
}

}  // namespace convoy
