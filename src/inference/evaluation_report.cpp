#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "convoy/error.h"
#include "convoy/evaluation.h"
#include "inference/metrics.h"

namespace convoy {
namespace {

constexpr int kCalibrationBins = 15;

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The bin of (0, 1/n], (1/n, 2/n], ...; what is no probability counts with the least.
size_t bin_of(double confidence) {
  const double upper = std::ceil(confidence * kCalibrationBins);
  return upper > 1 ? static_cast<size_t>(std::min<double>(upper, kCalibrationBins)) - 1 : 0;
}

void calibrate(EvaluationReport& report) {
  for (int i = 0; i < kCalibrationBins; ++i) {
    report.calibration.push_back(
        {.lower = static_cast<double>(i) / kCalibrationBins, .upper = static_cast<double>(i + 1) / kCalibrationBins});
  }
  for (const ImageOutcome& outcome : report.outcomes) {
    CalibrationBin& bin = report.calibration[bin_of(outcome.confidence)];
    ++bin.images;
    bin.confidence += outcome.confidence;
    bin.accuracy += outcome.correct() ? 1 : 0;
  }
  for (CalibrationBin& bin : report.calibration) {
    if (bin.images == 0) continue;
    report.calibration_error += std::abs(bin.accuracy - bin.confidence) / static_cast<double>(report.outcomes.size());
    bin.confidence /= static_cast<double>(bin.images);
    bin.accuracy /= static_cast<double>(bin.images);
  }
}

}  // namespace

double ClassReport::recall() const { return ratio(correct, images); }
double ClassReport::precision() const { return ratio(correct, predicted); }
double ClassReport::f1() const { return ratio(2 * correct, images + predicted); }

MacroAverage EvaluationReport::macro_average() const {
  MacroAverage sum;
  double count = 0;
  for (const ClassReport& one : classes) {
    if (one.images == 0 && one.predicted == 0) continue;
    sum.precision += one.precision();
    sum.recall += one.recall();
    sum.f1 += one.f1();
    ++count;
  }
  if (count == 0) return {};
  return {sum.precision / count, sum.recall / count, sum.f1 / count};
}

std::vector<Confusion> EvaluationReport::worst_confusions(size_t most) const {
  std::vector<Confusion> found;
  for (size_t label = 0; label < confusion.size(); ++label) {
    for (size_t other = 0; other < confusion[label].size(); ++other) {
      const int64_t images = confusion[label][other];
      if (other != label && images > 0) found.push_back({static_cast<int>(label), static_cast<int>(other), images});
    }
  }
  std::ranges::stable_sort(found, std::ranges::greater{}, &Confusion::images);
  if (found.size() > most) found.resize(most);
  return found;
}

std::vector<ImageOutcome> EvaluationReport::confident_errors(size_t most) const {
  std::vector<ImageOutcome> errors;
  std::ranges::copy_if(outcomes, std::back_inserter(errors), [](const ImageOutcome& x) { return !x.correct(); });
  std::ranges::stable_sort(errors, std::ranges::greater{}, &ImageOutcome::confidence);
  if (errors.size() > most) errors.resize(most);
  return errors;
}

EvaluationReport make_evaluation_report(const std::vector<std::string>& class_names, std::vector<ImageOutcome> outcomes,
                                        bool knows_all) {
  EvaluationReport report;
  report.outcomes = std::move(outcomes);
  report.confusion.assign(class_names.size(), std::vector<int64_t>(class_names.size()));
  for (const std::string& name : class_names) report.classes.push_back({.class_name = name});
  report.knows_all = knows_all;
  ClassificationSums sums, others;
  for (const ImageOutcome& outcome : report.outcomes) {
    const auto label = static_cast<size_t>(outcome.label);
    const auto predicted = static_cast<size_t>(outcome.predicted);
    if (label >= class_names.size() || predicted >= class_names.size()) {
      throw Error(fmt::format("{}: expected classes from 0 to {}, got {} and {}", outcome.image, class_names.size() - 1,
                              outcome.label, outcome.predicted));
    }
    sums.add(outcome);
    if (outcome.trained_on) {
      ++report.trained_on;
    } else {
      others.add(outcome);
    }
    ++report.confusion[label][predicted];
    ++report.classes[label].images;
    ++report.classes[predicted].predicted;
    report.classes[label].correct += outcome.correct() ? 1 : 0;
  }
  report.total = evaluation_of(sums);
  if (knows_all && report.trained_on > 0 && others.samples > 0) report.not_trained_on = evaluation_of(others);
  calibrate(report);
  return report;
}

}  // namespace convoy
