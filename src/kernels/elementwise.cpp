#include "kernels/elementwise.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ByMap<ElementwiseKernels>, elementwise_kernels)
