#include "kernels/quantize.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(QuantizeKernels, quantize_kernels)
