#include "kernels/dropout.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/random.h"

namespace convoy::kernels {
namespace {

constexpr int64_t kTile = 4096;  // elements that share a random stream

RandomStream mask_stream(const MaskKey& key, int64_t tile) {
  const uint64_t purpose = hash_name("dropout") ^ (key.op * 0x9E3779B97F4A7C15);
  return {key.seed, purpose, static_cast<uint64_t>(key.step), static_cast<uint64_t>(tile)};
}

}  // namespace

void dropout(const MaskKey& key, float probability, int64_t count, const float* input, float* output) {
  const float scale = 1.0F / (1.0F - probability);
  parallel_for((count + kTile - 1) / kTile, [&](int64_t tile, int) {
    RandomStream stream = mask_stream(key, tile);
    const int64_t end = std::min(count, (tile + 1) * kTile);
    for (int64_t i = tile * kTile; i < end; ++i) output[i] = stream.uniform() < probability ? 0.0F : input[i] * scale;
  });
}

void drop_path_scales(const MaskKey& key, float probability, int64_t samples, float* scales) {
  RandomStream stream = mask_stream(key, 0);
  const float scale = 1.0F / (1.0F - probability);
  for (int64_t n = 0; n < samples; ++n) scales[n] = stream.uniform() < probability ? 0.0F : scale;
}

}  // namespace convoy::kernels
