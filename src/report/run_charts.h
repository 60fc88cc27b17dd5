// Pictures of training runs.
#pragma once

#include <vector>

#include "convoy/comparison.h"
#include "convoy/find_lr.h"
#include "report/picture.h"

namespace convoy {

// Loss, accuracy and learning rate by epoch, and the run in a few words.
Picture results_chart(const RunSummary& run);

// Accuracy and loss of all runs by epoch: of the validation, or of the training where there was none.
Picture comparison_chart(const std::vector<RunSummary>& runs);

// The loss over the learning rate, the suggested rate marked.
Picture learning_rate_chart(const LearningRateCurve& curve);

// "1.23 G", "45.6 M".
std::string short_count(int64_t number);

// "45 s", "3:12 min", "2:03:04 h".
std::string short_time(double seconds);

}  // namespace convoy
