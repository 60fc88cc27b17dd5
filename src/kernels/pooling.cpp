#include "kernels/pooling.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(PoolKernels, pool_kernels)
