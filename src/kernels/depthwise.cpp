#include "kernels/depthwise.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ConvKernels, depthwise_kernels)
