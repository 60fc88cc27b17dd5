#include "kernels/resample.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ResampleKernels, resample_kernels)
