#include "data/sample_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/random.h"

namespace convoy {
namespace {

// Samples that nobody loads: sample i is in shard i % shards.
class Scattered : public Dataset {
 public:
  Scattered(int64_t size, uint32_t shards) : size_(size), shards_(shards) {}
  int64_t size() const override { return size_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int label(int64_t) const override { return 0; }
  std::string name(int64_t) const override { return "sample"; }
  Image load(int64_t) const override { return {1, 1}; }
  uint32_t shard(int64_t index) const override { return static_cast<uint32_t>(index) % shards_; }

 private:
  const int64_t size_;
  const uint32_t shards_;
  const std::vector<std::string> class_names_{"a"};
};

std::vector<uint32_t> numbers(size_t count) {
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  return numbers;
}

TEST(SampleOrder, OfOneShardIsThatOfAPlainShuffle) {
  std::vector<uint32_t> expected = numbers(40000);
  RandomStream random(9, "shuffle", 3);
  for (size_t i = expected.size(); i > 1; --i) {
    std::swap(expected[i - 1], expected[random.below(static_cast<uint32_t>(i))]);
  }
  EXPECT_EQ(SampleOrder(Scattered(40000, 1), true, 9).of_epoch(3), expected);
}

TEST(SampleOrder, OfShardsHasEachSampleOnceInItsWindow) {
  constexpr size_t kSamples = 120'000, kShards = 24;  // of 5000: four make a window
  const Scattered dataset(kSamples, kShards);
  const SampleOrder order(dataset, true, 9);
  std::set<std::vector<uint32_t>> orders_of_shards;
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    const std::vector<uint32_t> samples = order.of_epoch(epoch);
    EXPECT_EQ(samples, SampleOrder(dataset, true, 9).of_epoch(epoch));
    std::vector<uint32_t> sorted = samples;
    std::ranges::sort(sorted);
    ASSERT_EQ(sorted, numbers(kSamples));
    std::vector<uint32_t> shards;
    constexpr size_t kWindow = 20'000;
    for (size_t begin = 0; begin < kSamples; begin += kWindow) {
      std::set<uint32_t> here;
      for (size_t i = begin; i < begin + kWindow; ++i) here.insert(samples[i] % kShards);
      EXPECT_EQ(here.size(), 4U) << "a window is made of whole shards";
      std::set<uint32_t> at_first;
      for (size_t i = begin; i < begin + 100; ++i) at_first.insert(samples[i] % kShards);
      EXPECT_EQ(at_first, here) << "they are mixed";
      shards.insert(shards.end(), here.begin(), here.end());
    }
    orders_of_shards.insert(shards);
  }
  EXPECT_EQ(orders_of_shards.size(), 4U) << "other shards come together in every epoch";
}

TEST(SampleOrder, WhatIsLeftBelongsToTheLastWindow) {
  // Five shards of 10,000: two make a window, the other three the last.
  const std::vector<uint32_t> samples = SampleOrder(Scattered(50'000, 5), true, 1).of_epoch(0);
  std::set<uint32_t> last;
  for (size_t i = 20'000; i < 20'100; ++i) last.insert(samples[i] % 5);
  EXPECT_EQ(last.size(), 3U);
}

TEST(SampleOrder, WithoutShufflingIsThatOfTheDataset) {
  EXPECT_EQ(SampleOrder(Scattered(1000, 7), false, 9).of_epoch(5), numbers(1000));
}

}  // namespace
}  // namespace convoy
