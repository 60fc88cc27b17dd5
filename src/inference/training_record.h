// What a network was trained on, so that it can be evaluated on what it was not trained on.
#pragma once

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "convoy/recipe.h"
#include "data/content.h"
#include "data/dataset.h"

namespace convoy {

struct TrainingRecord {
  // As the recipe had them, in UTF-8.
  std::string data;
  std::string val;
  double val_split = 0;
  int64_t seed = 0;
  int64_t images = 0;   // trained on
  uint64_t names = 0;   // hash_of() them
  ContentSet contents;  // of them, or of kMostContents where they are more

  static constexpr int64_t kMostContents = int64_t{1} << 16;
  // Whether an image that is not in `contents` was not trained on.
  bool knows_all() const { return images <= kMostContents; }

  friend bool operator==(const TrainingRecord&, const TrainingRecord&) = default;
};

// The record of training on these images, but for their contents.
TrainingRecord make_training_record(const Recipe& recipe, const Dataset& train);

// Reads the contents of training images on a thread of its own: all of them, or TrainingRecord::kMostContents from all
// over the data. Images that cannot be read are left out.
class ContentScan {
 public:
  explicit ContentScan(DatasetPtr images);

  // Waits for the end.
  const ContentSet& contents();

 private:
  ContentSet contents_;
  std::jthread thread_;  // last: it ends before what it writes goes
};

}  // namespace convoy
