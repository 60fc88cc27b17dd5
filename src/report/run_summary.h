// summary.json of a run: what it is and what it has taken so far.
#pragma once

#include "convoy/comparison.h"

namespace convoy {

inline constexpr const char* kSummaryFile = "summary.json";
inline constexpr const char* kResultsFile = "results.csv";

// Writes all but the outcomes, which have a file of their own. Atomic; throws Error when it cannot be written.
void write_run_summary(const RunSummary& summary);

// The rows of a results.csv; a last one that was cut short is left out. Throws Error that names file and row when it is
// none. Shares are in [0, 1] or NaN where nothing was measured; a loss is also infinite where a run diverged.
std::vector<RunEpoch> read_results(const std::filesystem::path& path);

}  // namespace convoy
