#include "kernels/batch_norm.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ByMap<BatchNormKernels>, batch_norm_kernels)
