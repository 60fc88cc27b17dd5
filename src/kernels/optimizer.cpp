#include "kernels/optimizer.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(OptimizerKernels, optimizer_kernels)

namespace convoy::kernels {

size_t squared_norm_workspace(int64_t count) {
  return static_cast<size_t>((count + kNormTile - 1) / kNormTile) * sizeof(double);
}

}  // namespace convoy::kernels
