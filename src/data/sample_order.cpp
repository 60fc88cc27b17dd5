#include "data/sample_order.h"

#include <numeric>
#include <span>
#include <utility>

#include "core/random.h"

namespace convoy {
namespace {

void shuffle(std::span<uint32_t> values, RandomStream& random) {
  for (size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[random.below(static_cast<uint32_t>(i))]);
  }
}

}  // namespace

SampleOrder::SampleOrder(const Dataset& dataset, bool shuffles, uint64_t seed)
    : shuffles_(shuffles), seed_(seed), shards_(1) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const size_t shard = shuffles ? dataset.shard(i) : 0;
    if (shard >= shards_.size()) shards_.resize(shard + 1);
    shards_[shard].push_back(static_cast<uint32_t>(i));
  }
}

std::vector<uint32_t> SampleOrder::of_epoch(int64_t epoch) const {
  if (!shuffles_) return shards_.front();
  std::vector<uint32_t> shards(shards_.size());
  std::iota(shards.begin(), shards.end(), 0U);
  RandomStream of_shards(seed_, "shuffle shards", static_cast<uint64_t>(epoch));
  shuffle(shards, of_shards);
  size_t left = 0;
  for (const std::vector<uint32_t>& samples : shards_) left += samples.size();
  std::vector<uint32_t> order;
  order.reserve(left);
  RandomStream random(seed_, "shuffle", static_cast<uint64_t>(epoch));
  size_t begin = 0;  // of the window
  for (const uint32_t shard : shards) {
    order.insert(order.end(), shards_[shard].begin(), shards_[shard].end());
    left -= shards_[shard].size();
    const bool is_full = order.size() - begin >= kWindow && left >= kWindow;
    if (!is_full && left > 0) continue;
    shuffle(std::span(order).subspan(begin), random);
    begin = order.size();
  }
  return order;
}

}  // namespace convoy
