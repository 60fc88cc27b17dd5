// The folder of a run.
#pragma once

#include <filesystem>
#include <string>

#include "convoy/recipe.h"

namespace convoy {

inline constexpr const char* kBestFile = "best.safetensors";
inline constexpr const char* kLastFile = "last.safetensors";

// The model file of a run folder: best.safetensors or, where there is none (the run was stopped early, or never came
// above save-best-above), last.safetensors; empty where there is neither.
std::filesystem::path model_in(const std::filesystem::path& folder);

// `path` itself, or the model file of the run folder that it is. Throws Error for a folder without one.
std::filesystem::path model_file_of(const std::filesystem::path& path);

// Settles recipe.experiment and returns the folder <output>/<experiment>, without touching the disk. An experiment that
// the recipe does not name is called after the network: the last run of that name when the recipe resumes, a new one
// (resnet18, resnet18-2, ...) otherwise. Throws UsageError when the named folder holds a run that is not to be resumed,
// or one that cannot be, because its state is gone.
std::filesystem::path settle_run_folder(Recipe& recipe);

// Makes the folder of a new run that the recipe does not name. Of several processes each makes another one: where a
// folder is there already, the experiment gets the next number. Throws Error when it cannot be made.
std::filesystem::path create_numbered_folder(Recipe& recipe);

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
