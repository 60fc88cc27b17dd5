#include "kernels/batch_norm.h"

#include <algorithm>

#include "kernels/dispatch.h"

CONVOY_DISPATCH(BatchNormKernels, batch_norm_kernels)

namespace convoy::kernels {

// About 256 KB a tile, so that it stays in L2 while it is used; few enough pixels for sums in single precision, enough
// of them that the partial sums are little beside the input.
int64_t norm_tile_pixels(int64_t channels) { return std::clamp<int64_t>(65536 / channels, 32, 4096); }

}  // namespace convoy::kernels
