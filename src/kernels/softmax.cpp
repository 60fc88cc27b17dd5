#include "kernels/softmax.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(SoftmaxKernels, softmax_kernels)
