#include "kernels/channel_scale.h"

#include <algorithm>

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ByMap<ChannelScaleKernels>, channel_scale_kernels)

namespace convoy::kernels {

int64_t channel_scale_chunks(const ChannelScaleShape& shape) {
  constexpr int64_t kChunkElements = 32768, kMaxChunks = 64;
  const int64_t wanted = (shape.rows * shape.channels + kChunkElements - 1) / kChunkElements;
  return std::clamp<int64_t>(wanted, 1, std::min(kMaxChunks, shape.rows));
}

size_t channel_scale_workspace(const ChannelScaleShape& shape) {
  return static_cast<size_t>(shape.samples * channel_scale_chunks(shape) * shape.channels) * sizeof(float);
}

}  // namespace convoy::kernels
