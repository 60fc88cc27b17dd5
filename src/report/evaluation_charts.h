// Pictures of an evaluation.
#pragma once

#include "convoy/evaluation.h"
#include "report/picture.h"

namespace convoy {

// Counts, shaded by their share of the true class; with the numbers where they are readable.
Picture confusion_matrix_chart(const EvaluationReport& report);

// The accuracy of each bin of confidence as a bar, with a line at its mean confidence, above how many images each bin
// has.
Picture reliability_chart(const EvaluationReport& report);

}  // namespace convoy
