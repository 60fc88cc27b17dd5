#include "kernels/matmul.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/dispatch.h"

CONVOY_DISPATCH(MatmulKernels, matmul_kernels)

namespace convoy::kernels {

size_t matmul_workspace(const MatmulShape& shape) {
  return static_cast<size_t>(thread_count()) * static_cast<size_t>(std::min(shape.k, kMatmulDepth) * kMaxMatmulPanel) *
         sizeof(float);
}

}  // namespace convoy::kernels
