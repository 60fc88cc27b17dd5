#include "kernels/elementwise.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ElementwiseKernels, elementwise_kernels)
