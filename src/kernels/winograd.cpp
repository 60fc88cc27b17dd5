#include "kernels/winograd.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ConvKernels, winograd_kernels)

namespace convoy::kernels {

bool winograd_takes(const ConvGeometry& g) {
  return g.groups == 1 && g.kernel_h == 3 && g.kernel_w == 3 && g.stride_h == 1 && g.stride_w == 1 &&
         g.dilation_h == 1 && g.dilation_w == 1 && g.pad_h <= 2 && g.pad_w <= 2;
}

bool winograd_is_faster(const ConvGeometry& g, bool prepared) {
  constexpr int64_t kLeastChannels = 16;
  const int64_t least_tiles = prepared ? 16 : 48;  // over which transforming the weights is spread
  const int64_t tiles = g.batch * ((g.out_h + 3) / 4) * ((g.out_w + 3) / 4);
  return winograd_takes(g) && g.in_c >= kLeastChannels && g.out_c >= kLeastChannels && tiles >= least_tiles;
}

}  // namespace convoy::kernels
