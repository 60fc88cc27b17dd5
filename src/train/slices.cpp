#include "train/slices.h"

#include <algorithm>
#include <utility>

namespace convoy {

SliceStatistics::SliceStatistics(const Variables& variables, std::vector<std::string> names, World* world)
    : variables_(variables), names_(std::move(names)), world_(world) {}

void SliceStatistics::begin() {
  before_.clear();
  size_t elements = 0;
  for (const std::string& name : names_) {
    before_.push_back(variables_.read(name));
    elements += before_.back().size();
  }
  mean_.assign(elements, 0.0F);
}

void SliceStatistics::take(double share) {
  // What was summed before comes first, as where one process adds up.
  const bool is_first = world_ == nullptr || world_->is_first();
  if (!is_first) std::ranges::fill(mean_, 0.0F);
  auto mean = mean_.begin();
  for (size_t i = 0; i < names_.size(); ++i) {
    for (const float value : variables_.read(names_[i])) *mean++ += static_cast<float>(share) * value;
    variables_.write(names_[i], before_[i]);
  }
  if (world_ != nullptr) world_->sum(mean_);
}

void SliceStatistics::finish() const {
  std::span<const float> mean = mean_;
  for (size_t i = 0; i < names_.size(); ++i) {
    variables_.write(names_[i], mean.first(before_[i].size()));
    mean = mean.subspan(before_[i].size());
  }
}

}  // namespace convoy
