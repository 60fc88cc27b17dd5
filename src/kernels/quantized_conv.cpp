#include "kernels/quantized_conv.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(QuantizedConvKernels, quantized_conv_kernels)
CONVOY_DISPATCH(QuantizedConvKernels, quantized_depthwise_kernels)
