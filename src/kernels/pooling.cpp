#include "kernels/pooling.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ByMap<PoolKernels>, pool_kernels)
