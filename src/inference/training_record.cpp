#include "inference/training_record.h"

#include <algorithm>
#include <exception>
#include <stop_token>
#include <utility>

#include "core/text.h"

namespace convoy {
namespace {

ContentSet read_contents(const std::stop_token& stop, const Dataset& images) {
  const int64_t count = std::min(images.size(), TrainingRecord::kMostContents);
  std::vector<uint64_t> contents;
  for (int64_t i = 0; i < count && !stop.stop_requested(); ++i) {
    try {
      contents.push_back(content_of(images, i * images.size() / count));
    } catch (const std::exception&) {  // whoever trains on it complains
    }
  }
  return ContentSet(std::move(contents));
}

}  // namespace

TrainingRecord make_training_record(const Recipe& recipe, const Dataset& train) {
  return {.data = to_utf8(recipe.data),
          .val = to_utf8(recipe.val),
          .val_split = recipe.val_split,
          .seed = recipe.seed,
          .images = train.size(),
          .names = hash_of(train),
          .contents = {}};
}

ContentScan::ContentScan(DatasetPtr images)
    : thread_([this, images = std::move(images)](const std::stop_token& stop) {
        contents_ = read_contents(stop, *images);
      }) {}

const ContentSet& ContentScan::contents() {
  if (thread_.joinable()) thread_.join();
  return contents_;
}

}  // namespace convoy
