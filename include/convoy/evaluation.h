// How well a classifier does on labelled images.
//
// Threads: these are values, as an int is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "convoy/export_macro.h"

namespace convoy {

// Of a pass over images; shares are in [0, 1].
struct Evaluation {
  int64_t images = 0;
  double loss = 0;  // mean cross entropy, without label smoothing
  double top1 = 0;
  double top5 = 0;
};

// After a step of a validation; times are in seconds since it began.
struct ValidationStepReport {
  int64_t epoch = 0;
  int64_t step = 0;
  int64_t steps = 0;
  Evaluation so_far;
  double seconds = 0;
  double reader_seconds = 0;
};

// What became of one image. Classes are numbered as the class names are listed.
struct ImageOutcome {
  std::string image;        // its file, or file and number
  int label = 0;            // the true class
  int predicted = 0;        // the most probable one
  double confidence = 0;    // the probability of that, in [0, 1]
  int64_t rank = 0;         // classes that the network puts before the true one; 0 where it is right
  double loss = 0;          // cross entropy
  bool trained_on = false;  // the network is known to have been trained on this image

  bool correct() const { return label == predicted; }

  friend bool operator==(const ImageOutcome&, const ImageOutcome&) = default;
};

// How a class fared. Shares are 0 where they would divide by no image.
struct CONVOY_API ClassReport {
  std::string class_name;
  int64_t images = 0;
  int64_t predicted = 0;  // images taken for this class
  int64_t correct = 0;

  double recall() const;
  double precision() const;
  double f1() const;  // the harmonic mean of both
};

// The unweighted mean over the classes that have images or were predicted, as scikit-learn's "macro avg".
struct MacroAverage {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
};

// The images whose confidence lies in (lower, upper].
struct CalibrationBin {
  double lower = 0;
  double upper = 0;
  int64_t images = 0;
  double confidence = 0;  // mean
  double accuracy = 0;
};

// Images of one class that were taken for another.
struct Confusion {
  int label = 0;
  int predicted = 0;
  int64_t images = 0;
};

struct CONVOY_API EvaluationReport {
  Evaluation total;
  std::vector<ClassReport> classes;
  std::vector<std::vector<int64_t>> confusion;  // counts, [true class][predicted class]
  // 15 bins of equal width, and the mean of |accuracy - confidence| over them weighted by their images: the expected
  // calibration error of Guo et al., On Calibration of Modern Neural Networks (2017), equation 3.
  std::vector<CalibrationBin> calibration;
  double calibration_error = 0;
  std::string evaluated;               // what was evaluated, "the 10 images of photos that training held back"
  std::vector<std::string> warnings;   // what was left out of the data, or is doubtful
  std::vector<ImageOutcome> outcomes;  // of every image, in the order of the data
  int64_t trained_on = 0;              // of these, images that the network is known to have been trained on
  bool knows_all = false;              // the model file knows all images that it was trained on
  // Of the images that it was not trained on; nullopt where these are all or none, or it does not know all.
  std::optional<Evaluation> not_trained_on;
  std::vector<std::string> skipped;  // images that could not be read, and why
  std::vector<std::string> damaged;  // images that were read in spite of damage, and what it is
  double seconds = 0;

  // The five most probable of five classes or fewer always have the true one among them.
  bool has_top5() const { return classes.size() > 5; }
  MacroAverage macro_average() const;
  // The pairs of classes that were confused most often, the commonest first; at most `most`.
  std::vector<Confusion> worst_confusions(size_t most) const;
  // The wrong outcomes of the greatest confidence, the most confident first; at most `most`.
  std::vector<ImageOutcome> confident_errors(size_t most) const;
};

// Everything that follows from the outcomes; knows_all: as the report has it. Throws Error for an outcome whose classes
// are not in class_names.
CONVOY_API EvaluationReport make_evaluation_report(const std::vector<std::string>& class_names,
                                                   std::vector<ImageOutcome> outcomes, bool knows_all = false);

// Writes confusion_matrix and reliability, each as .png and .svg, into the folder, which is made where it is missing.
// Throws Error when they cannot be written.
CONVOY_API void write_evaluation_charts(const EvaluationReport& report, const std::filesystem::path& folder);

}  // namespace convoy
