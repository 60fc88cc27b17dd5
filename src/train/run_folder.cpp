#include "train/run_folder.h"

#include <fmt/format.h>

#include <fstream>

#include "convoy/error.h"
#include "convoy/version.h"
#include "formats/atomic_file.h"
#include "train/state_file.h"

namespace convoy {
namespace {

std::string numbered(const std::string& name, int number) {
  return number == 1 ? name : fmt::format("{}-{}", name, number);
}

}  // namespace

std::filesystem::path settle_run_folder(Recipe& recipe) {
  const std::filesystem::path output = recipe.output;
  const auto holds_run = [&](const std::string& experiment) { return StateFiles(output / experiment).exist(); };
  if (!recipe.experiment.empty()) {
    if (!recipe.resume && holds_run(recipe.experiment)) {
      throw UsageError(
          fmt::format("{} already holds a run; add --resume to continue it, or choose another --experiment",
                      (output / recipe.experiment).string()));
    }
    return output / recipe.experiment;
  }
  int free = 1;
  while (holds_run(numbered(recipe.model, free))) ++free;
  recipe.experiment = numbered(recipe.model, recipe.resume && free > 1 ? free - 1 : free);
  return output / recipe.experiment;
}

void begin_run_folder(const std::filesystem::path& folder, const Recipe& recipe, const std::string& command) {
  create_folder(folder);
  write_file_atomically(folder / "recipe.toml", to_toml(recipe));
  if (command.empty()) return;
  const std::filesystem::path path = folder / "command.txt";
  std::ofstream out(path, std::ios::app);
  out << "convoy " << version() << ": " << command << '\n';
  out.flush();
  if (!out) throw Error(fmt::format("{}: cannot write", path.string()));
}

}  // namespace convoy
