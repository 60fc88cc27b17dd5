#include "kernels/rows.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(RowKernels, row_kernels)
