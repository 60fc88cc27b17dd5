#include "kernels/dropout.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/random.h"

namespace convoy::kernels {
namespace {

constexpr int64_t kTile = 4096;  // elements that share a random stream

// The stream of a tile, behind its first `drawn` numbers.
RandomStream mask_stream(const MaskKey& key, int64_t tile, int64_t drawn) {
  const uint64_t purpose = hash_name("dropout") ^ (key.op * 0x9E3779B97F4A7C15);
  RandomStream stream(key.seed, purpose, static_cast<uint64_t>(key.step), static_cast<uint64_t>(tile));
  for (int64_t i = 0; i < drawn; ++i) stream.uniform();
  return stream;
}

}  // namespace

void dropout(const MaskKey& key, float probability, int64_t count, const float* input, float* output) {
  const float scale = 1.0F / (1.0F - probability);
  const int64_t first = key.first, end = first + count, first_tile = first / kTile;
  parallel_for((end + kTile - 1) / kTile - first_tile, [&](int64_t task, int) {
    const int64_t tile = first_tile + task;
    const int64_t from = std::max(first, tile * kTile), to = std::min(end, (tile + 1) * kTile);
    RandomStream stream = mask_stream(key, tile, from - tile * kTile);
    for (int64_t i = from - first; i < to - first; ++i) {
      output[i] = stream.uniform() < probability ? 0.0F : input[i] * scale;
    }
  });
}

void drop_path_scales(const MaskKey& key, float probability, int64_t samples, float* scales) {
  RandomStream stream = mask_stream(key, 0, key.first);
  const float scale = 1.0F / (1.0F - probability);
  for (int64_t n = 0; n < samples; ++n) scales[n] = stream.uniform() < probability ? 0.0F : scale;
}

}  // namespace convoy::kernels
