// The images that a trained network is evaluated on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "convoy/classifier.h"
#include "data/dataset.h"
#include "inference/training_record.h"

namespace convoy {

struct EvaluationData {
  DatasetPtr images;
  std::filesystem::path source;       // where they are
  std::string description;            // "the 10 images of photos that training held back (val-split 0.2, seed 42)"
  std::vector<std::string> warnings;  // what was left out of the data, or is doubtful
};

// Opens a part of `data`; empty: of what the record says. Data is recognised as that of the training by the names and
// classes of its training images, wherever it lies; then the validation part is the one that training held back.
// Throws Error for a part that there is not, and when `data` is empty and the images of the training are not known, or
// no longer the same. model_file: for messages.
EvaluationData open_evaluation_data(const std::filesystem::path& data, EvaluationPart part,
                                    const std::optional<TrainingRecord>& record,
                                    const std::filesystem::path& model_file,
                                    BadFolder bad_folder = BadFolder::error_unless_empty);

// Images to choose by, and others to judge what was chosen by.
struct SeparateData {
  EvaluationData to_choose, to_judge;
  bool trained_on = false;  // the network is known to have been trained on both
};

// The training and the validation part of the data that open_evaluation_data() finds; where one of them is missing, two
// halves of all images, which `seed` draws from each class. Throws Error as it does, and where a class has one image.
SeparateData open_separate_data(const std::filesystem::path& data, const std::optional<TrainingRecord>& record,
                                const std::filesystem::path& model_file, uint64_t seed);

// The number that a network gives to each class of the dataset, matched by name among `names`. Throws Error, which
// names both sources, for a class that is none of them.
std::vector<int> class_numbers(const Dataset& dataset, const std::filesystem::path& data,
                               const std::vector<std::string>& names, const std::filesystem::path& model_file);

}  // namespace convoy
