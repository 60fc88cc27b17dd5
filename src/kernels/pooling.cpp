#include "kernels/pooling.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ByMap<PoolKernels>, pool_kernels)
CONVOY_DISPATCH(BytePoolKernels, byte_pool_kernels)
