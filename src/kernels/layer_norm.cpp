#include "kernels/layer_norm.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(LayerNormKernels, layer_norm_kernels)
