#include "kernels/layer_norm.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ByMap<LayerNormKernels>, layer_norm_kernels)
