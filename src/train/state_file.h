// The training state: everything that a run needs to go on as if it had never stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "convoy/train.h"
#include "inference/metrics.h"
#include "plan/variables.h"

namespace convoy {

// Where a run stands.
struct TrainingPosition {
  int64_t epoch = 0;              // of the next batch
  int64_t step = 0;               // batches of that epoch that are done
  int64_t batches = 0;            // batches done in all
  int64_t whole_batch = 0;        // samples of a batch, those of all slices; 0 where an older version saved the state
  int64_t offset = 0;             // samples of the epoch before its first batch, where batches had another size then
  ClassificationSums epoch_sums;  // of those of the epoch
  std::optional<double> best;     // the greatest score of a validation so far
  int64_t best_epoch = 0;
  RunCost cost;  // 0 where an older version saved the state
};

// What must be the same for a run to go on.
struct RunIdentity {
  Recipe recipe;
  std::vector<std::string> class_names;
  uint64_t data = 0;  // a hash of the names and labels of the training images
  // The learning rate follows from the size of a batch, which may be another where the slices are.
  bool rate_follows = false;
};

// The two newest states of a run, in its folder. A save replaces the older one, so that the newer one is there whatever
// happens meanwhile.
class StateFiles {
 public:
  explicit StateFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // True when the folder holds a state, damaged or not.
  bool exist() const;

  // Throws Error when the file cannot be written; the state saved before is untouched.
  void save(const RunIdentity& identity, const TrainingPosition& position, const Variables& variables);

  // Removes the older state: the run has ended, and nothing will replace it.
  void keep_newest() const;

  // Sets `variables` to the newest undamaged state and returns its position; nullopt when the folder holds none at all.
  // `warn` hears of a damaged one that was passed over. Throws Error when all are damaged, and UsageError that names
  // the setting when the state is of another run.
  std::optional<TrainingPosition> load(const RunIdentity& identity, const Variables& variables,
                                       const std::function<void(const std::string&)>& warn);

 private:
  std::filesystem::path slot(int index) const;

  std::filesystem::path folder_;
  std::optional<int> newest_;  // the slot saved or loaded last
};

}  // namespace convoy
