// The flags of the commands that use a trained network.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "convoy/classifier.h"

namespace convoy::cli {

// model_file_of(), with a note on standard error where a run has no best.safetensors.
std::filesystem::path named_model_file(const std::filesystem::path& path);

// --checkpoint, --batch-size, --workers, --threads, --tta, --precision and --exact.
struct TrainedFlags {
  std::string checkpoint;
  ClassifierOptions options;
  std::string tta = "none";

  void declare(CLI::App& app);
  // The model file that was named, that of the run folder that was named, or else that of the newest run under runs/.
  // Throws Error when there is none.
  std::filesystem::path model_file() const;
  Classifier open(const std::filesystem::path& model_file) const;
};

}  // namespace convoy::cli
