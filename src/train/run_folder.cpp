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

bool holds_run(const std::filesystem::path& folder) {
  std::error_code ignored;
  return StateFiles(folder).exist() || std::filesystem::exists(folder / kBestFile, ignored);
}

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

std::filesystem::path settle_run_folder(Recipe& recipe) {
  const std::filesystem::path output = recipe.output;
  if (recipe.experiment.empty()) {
    const int last = last_number(output, recipe.model);
    recipe.experiment = numbered(recipe.model, recipe.resume && last > 0 ? last : last + 1);
  } else if (!recipe.resume && holds_run(output / recipe.experiment)) {
    throw UsageError(fmt::format("{} already holds a run; add --resume to continue it, or choose another --experiment",
                                 (output / recipe.experiment).string()));
  }
  return output / recipe.experiment;
}

RunFolderLock::RunFolderLock(const std::filesystem::path& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  throw Error(
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
  if (!out) throw Error(fmt::format("{}: cannot write", path.string()));
}

}  // namespace convoy
