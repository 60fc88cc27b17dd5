// predictions.csv of a run: what the best model made of every validation image.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "convoy/evaluation.h"

namespace convoy {

inline constexpr const char* kPredictionsFile = "predictions.csv";

// One row an image: image, class, predicted, confidence, rank, loss. Atomic; throws Error when it cannot be written.
void write_predictions(const std::filesystem::path& path, const std::vector<std::string>& class_names,
                       const std::vector<ImageOutcome>& outcomes);

// Throws Error that names the file and row when it is no file that write_predictions wrote, or of other classes.
std::vector<ImageOutcome> read_predictions(const std::filesystem::path& path,
                                           const std::vector<std::string>& class_names);

}  // namespace convoy
