#include "train/slices.h"

#include <utility>

namespace convoy {

SliceStatistics::SliceStatistics(const Variables& variables, std::vector<std::string> names)
    : variables_(variables), names_(std::move(names)) {}

void SliceStatistics::begin() {
  before_.clear();
  mean_.clear();
  for (const std::string& name : names_) {
    before_.push_back(variables_.read(name));
    mean_.emplace_back(before_.back().size(), 0.0F);
  }
}

void SliceStatistics::take(double share) {
  for (size_t i = 0; i < names_.size(); ++i) {
    const std::vector<float> values = variables_.read(names_[i]);
    for (size_t k = 0; k < values.size(); ++k) mean_[i][k] += static_cast<float>(share) * values[k];
    variables_.write(names_[i], before_[i]);
  }
}

void SliceStatistics::finish() const {
  for (size_t i = 0; i < names_.size(); ++i) variables_.write(names_[i], mean_[i]);
}

}  // namespace convoy
