// What the plain loops over a convolution share.
#pragma once

#include <cstdint>

#include "kernels/conv_args.h"

namespace convoy {

// Calls visit(input element, weight element, output element) for every product of a convolution.
template <class Visit>
void for_each_product(const kernels::ConvGeometry& g, const Visit& visit) {
  const int64_t group_in = g.in_c / g.groups, group_out = g.out_c / g.groups;
  for (int64_t pixel = 0; pixel < g.batch * g.out_h * g.out_w; ++pixel) {
    const int64_t n = pixel / (g.out_h * g.out_w), y = pixel / g.out_w % g.out_h, x = pixel % g.out_w;
    for (int64_t tap = 0; tap < g.kernel_h * g.kernel_w; ++tap) {
      const int64_t row = y * g.stride_h - g.pad_h + tap / g.kernel_w * g.dilation_h;
      const int64_t column = x * g.stride_w - g.pad_w + tap % g.kernel_w * g.dilation_w;
      if (row < 0 || row >= g.in_h || column < 0 || column >= g.in_w) continue;
      const int64_t source = ((n * g.in_h + row) * g.in_w + column) * g.in_c;
      for (int64_t i = 0; i < group_in; ++i) {
        for (int64_t c = 0; c < g.out_c; ++c) {
          visit(source + c / group_out * group_in + i, (tap * group_in + i) * g.out_c + c, pixel * g.out_c + c);
        }
      }
    }
  }
}

}  // namespace convoy
