// The folder of a run.
#pragma once

#include <filesystem>
#include <string>

#include "convoy/recipe.h"

namespace convoy {

inline constexpr const char* kBestFile = "best.safetensors";
inline constexpr const char* kLastFile = "last.safetensors";

// Settles recipe.experiment and returns the folder <output>/<experiment>, without touching the disk. An experiment that
// the recipe does not name is called after the network: the last run of that name when the recipe resumes, a new one
// (resnet18, resnet18-2, ...) otherwise. Throws UsageError when the named folder holds a run that is not to be resumed.
std::filesystem::path settle_run_folder(Recipe& recipe);

// Keeps other processes from training in a folder while it lives.
class RunFolderLock {
 public:
  // Throws Error when another process holds it. On file systems without locks it holds nothing.
  explicit RunFolderLock(const std::filesystem::path& folder);
  ~RunFolderLock();
  RunFolderLock(const RunFolderLock&) = delete;
  RunFolderLock& operator=(const RunFolderLock&) = delete;

 private:
  int descriptor_;
};

// Writes recipe.toml into the folder, and adds a line "convoy <version>: <command>" to command.txt.
// Throws Error when the disk does not take them.
void begin_run_folder(const std::filesystem::path& folder, const Recipe& recipe, const std::string& command);

}  // namespace convoy
