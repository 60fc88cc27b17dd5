// Scaling a feature map channel by channel: squeeze-and-excitation gates and layer scale.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/by_map.h"

namespace convoy::kernels {

// A tensor {samples, rows, channels} and scales {samples, channels}. A gate {N, C} on {N, H, W, C} has rows = H W; a
// vector {C} on any map has one sample, whose rows are all pixels.
struct ChannelScaleShape {
  int64_t samples, rows, channels;
};

// Bytes of scratch for the backward kernel.
size_t channel_scale_workspace(const ChannelScaleShape& shape);

template <class Map>
struct ChannelScaleKernels {
  // output = scales * input + addend; addend may be null, output may be input or addend.
  void (*forward)(const ChannelScaleShape& shape, const Map* input, const float* scales, const Map* addend,
                  Map* output);
  // grad_input = scales * grad_output, grad_scales = sum over the rows of grad_output * input. Either may be null;
  // grad_input may be grad_output or input.
  void (*backward)(const ChannelScaleShape& shape, const Map* input, const float* scales, const Map* grad_output,
                   Map* grad_input, float* grad_scales, std::byte* workspace);
};

const ByMap<ChannelScaleKernels>& channel_scale_kernels();

// How many tasks share the rows of one sample, and so how many partial sums there are.
int64_t channel_scale_chunks(const ChannelScaleShape& shape);

}  // namespace convoy::kernels
