#include "kernels/convert.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ConvertKernels, convert_kernels)
