// The plain double-precision convolution.
#include "ops/activation/activation.h"
#include "ops/conv2d/conv2d.h"

namespace convoy {
namespace {

// The sum over taps and input channels of one output element.
double one_output(const kernels::ConvGeometry& g, const double* input, const double* weight, int64_t n, int64_t y,
                  int64_t x, int64_t c) {
  const int64_t group_in = g.in_c / g.groups;
  const int64_t first_in = c / (g.out_c / g.groups) * group_in;
  double sum = 0;
  for (int64_t kh = 0; kh < g.kernel_h; ++kh) {
    const int64_t row = y * g.stride_h - g.pad_h + kh * g.dilation_h;
    if (row < 0 || row >= g.in_h) continue;
    for (int64_t kw = 0; kw < g.kernel_w; ++kw) {
      const int64_t column = x * g.stride_w - g.pad_w + kw * g.dilation_w;
      if (column < 0 || column >= g.in_w) continue;
      const double* pixel = input + ((n * g.in_h + row) * g.in_w + column) * g.in_c + first_in;
      const double* tap = weight + (kh * g.kernel_w + kw) * group_in * g.out_c + c;
      for (int64_t i = 0; i < group_in; ++i) sum += pixel[i] * tap[i * g.out_c];
    }
  }
  return sum;
}

}  // namespace

void Conv2dOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const kernels::ConvGeometry g = attributes_.geometry(inputs[0].type.shape, inputs[1].type.shape[-1]);
  double* output = outputs[0].begin();
  for (int64_t n = 0; n < g.batch; ++n) {
    for (int64_t y = 0; y < g.out_h; ++y) {
      for (int64_t x = 0; x < g.out_w; ++x) {
        for (int64_t c = 0; c < g.out_c; ++c) {
          const int64_t index = ((n * g.out_h + y) * g.out_w + x) * g.out_c + c;
          output[index] = one_output(g, inputs[0].begin(), inputs[1].begin(), n, y, x, c);
          if (inputs[2].type.present) output[index] += inputs[2].begin()[c];
          if (inputs[3].type.present) output[index] += inputs[3].begin()[index];
          output[index] = activate_reference(activation_, output[index]);
        }
      }
    }
  }
}

}  // namespace convoy
