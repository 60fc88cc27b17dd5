#include "kernels/group_norm.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(GroupNormKernels, group_norm_kernels)
