#include "kernels/conv.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ConvKernels, conv_kernels)
