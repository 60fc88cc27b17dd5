// What the kernels of a 2-d convolution are called with; dense, grouped and depthwise kernels take the same.
//
// Feature maps are NHWC, weights [kernel_h][kernel_w][in_c / groups][out_c] (depthwise:
// [kernel_h][kernel_w][channels]), all dense, f32. Taps outside the input count as zeros.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convoy/activation.h"

namespace convoy::kernels {

// in_c and out_c are multiples of groups; groups == in_c == out_c is depthwise. Output pixel (y, x) sees the input rows
// y * stride_h - pad_h + i * dilation_h, 0 <= i < kernel_h, and the columns likewise; those outside count as zeros.
// out_h is free: (in_h + 2 pad_h - dilation_h (kernel_h - 1) - 1) / stride_h + 1 where zeros stand on either side
// alike.
struct ConvGeometry {
  int64_t batch = 1, in_h = 1, in_w = 1, in_c = 1, out_h = 1, out_w = 1, out_c = 1;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
};

constexpr bool is_depthwise(const ConvGeometry& g) { return g.groups == g.in_c && g.groups == g.out_c; }

// Output pixels in a tile of ConvForwardArgs::statistics: part of what a graph computes, so the same for every kernel
// and instruction set. Depthwise convolutions cut by whole rows of about as many as this.
inline constexpr int64_t kTilePixels = 96, kDepthwiseTilePixels = 128;

constexpr int64_t statistics_pixels(const ConvGeometry& g) {
  if (!is_depthwise(g)) return kTilePixels;
  return g.out_w < kDepthwiseTilePixels ? kDepthwiseTilePixels / g.out_w * g.out_w : g.out_w;
}

// output = convolution(input, weight) + bias + addend; activated = activation(output).
// Unless noted, buffers do not overlap.
struct ConvForwardArgs {
  const float* input = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;    // [out_c], or null
  const float* addend = nullptr;  // shape of the output, may be the output itself; or null
  float* output = nullptr;
  Activation activation = Activation::none;  // read where `activated` is wanted
  float* activated = nullptr;                // shape of the output; or null
  // [tiles][2][out_c], or null: for each tile of P consecutive output pixels (the last may be shorter) and each channel
  // the sum of `output` and the sum of its squared deviations from the tile's own mean. P is
  // statistics_pixels(geometry).
  float* statistics = nullptr;
  const void* prepared_weight = nullptr;  // what the kernels' prepare made of `weight`; or null
  void* workspace = nullptr;              // of the size that the kernels' workspace function says, aligned to 64 bytes
};

// grad_input = the gradient of the input + addend.
struct ConvGradInputArgs {
  const float* grad_output = nullptr;
  const float* weight = nullptr;
  const float* addend = nullptr;  // shape of the input, may be grad_input itself; or null
  float* grad_input = nullptr;
  void* workspace = nullptr;
};

// Overwrites grad_weight, and grad_bias where wanted.
struct ConvGradWeightArgs {
  const float* input = nullptr;
  const float* grad_output = nullptr;
  float* grad_weight = nullptr;
  float* grad_bias = nullptr;  // [out_c], or null
  void* workspace = nullptr;
};

}  // namespace convoy::kernels
