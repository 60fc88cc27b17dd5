#include "kernels/resample.h"

#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::for_every_isa;
using testing::Guarded;

uint8_t rounded(int64_t sum) {
  return static_cast<uint8_t>(std::clamp<int64_t>((sum + (1 << (kResampleBits - 1))) >> kResampleBits, 0, 255));
}

// Taps of any number and place, weights of either sign whose absolute values add up to less than 2.
struct RandomTaps {
  std::vector<int32_t> first, count, weights;
  int64_t capacity;

  RandomTaps(RandomStream& random, int64_t inputs, int64_t outputs, int64_t most) : capacity(std::min(inputs, most)) {
    for (int64_t i = 0; i < outputs; ++i) {
      count.push_back(1 + static_cast<int32_t>(random.below(static_cast<uint32_t>(capacity))));
      first.push_back(static_cast<int32_t>(random.below(static_cast<uint32_t>(inputs - count.back() + 1))));
      const float most_weight = 2.0F * (1 << kResampleBits) / static_cast<float>(count.back()) - 1;
      for (int64_t tap = 0; tap < capacity; ++tap) {
        weights.push_back(static_cast<int32_t>(random.uniform(-most_weight / 4, most_weight)));
      }
    }
  }
  ResampleTaps pointers() const { return {first.data(), count.data(), weights.data(), capacity}; }
};

std::vector<uint8_t> random_bytes(RandomStream& random, int64_t count) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.below(256));
  return bytes;
}

TEST(Resample, RowsAreWeightedSums) {
  RandomStream random(3, "resample test");
  for (const int64_t most : {1, 2, 4, 5, 9, 150}) {
    for (const int64_t outputs : {1, 2, 3, 8, 41}) {
      const int64_t inputs = 1 + random.below(200), rows = 1 + random.below(70), stride = 3 * inputs + random.below(20);
      const std::vector<uint8_t> input = random_bytes(random, stride * (rows - 1) + 3 * inputs);
      const RandomTaps taps(random, inputs, outputs, most);
      for_every_isa([&] {
        Guarded<uint8_t> output(3 * rows * outputs);
        resample_kernels().rows(input.data(), stride, rows, inputs, taps.pointers(), outputs, output.data());
        for (int64_t i = 0; i < 3 * rows * outputs; ++i) {
          const auto x = static_cast<size_t>(i / 3 % outputs);
          int64_t sum = 0;
          for (int64_t tap = 0; tap < taps.count[x]; ++tap) {
            const int64_t from = i / (3 * outputs) * stride + 3 * (taps.first[x] + tap) + i % 3;
            sum += int64_t{input[static_cast<size_t>(from)]} *
                   taps.weights[x * static_cast<size_t>(taps.capacity) + static_cast<size_t>(tap)];
          }
          ASSERT_EQ(output.data()[i], rounded(sum)) << most << " taps at most, byte " << i << " of " << outputs;
        }
      });
    }
  }
}

TEST(Resample, ARowIsTheWeightedSumOfRows) {
  RandomStream random(4, "resample test");
  for (const int64_t most : {1, 2, 3, 10, 150}) {
    for (const int64_t bytes : {3, 63, 64, 201}) {
      const RandomTaps taps(random, most, 1, most);
      const int64_t count = taps.count[0];
      const std::vector<uint8_t> input = random_bytes(random, count * (bytes + 5));
      for_every_isa([&] {
        Guarded<uint8_t> output(bytes);
        resample_kernels().column(input.data(), bytes + 5, count, taps.weights.data(), bytes, output.data());
        for (int64_t i = 0; i < bytes; ++i) {
          int64_t sum = 0;
          for (int64_t row = 0; row < count; ++row) {
            sum += int64_t{input[static_cast<size_t>(row * (bytes + 5) + i)]} * taps.weights[static_cast<size_t>(row)];
          }
          ASSERT_EQ(output.data()[i], rounded(sum)) << count << " rows, byte " << i;
        }
      });
    }
  }
}

}  // namespace
}  // namespace convoy::kernels
