// The plain double-precision convolution and its gradients.
#include "ops/activation/activation.h"
#include "ops/conv2d/conv2d.h"
#include "ops/conv2d/products.h"

namespace convoy {
namespace {

// The sum over each tile of pixels, and the sum of squared deviations from the tile's mean (kernels/conv_args.h).
void tile_statistics(int64_t tile_pixels, int64_t channels, const ReferenceTensor& output,
                     ReferenceTensor& statistics) {
  const int64_t pixels = output.type.shape.elements() / channels;
  for (int64_t tile = 0; tile * tile_pixels < pixels; ++tile) {
    const int64_t first = tile * tile_pixels, end = std::min(pixels, first + tile_pixels);
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0, squares = 0;
      for (int64_t pixel = first; pixel < end; ++pixel) sum += output.begin()[pixel * channels + c];
      const double mean = sum / static_cast<double>(end - first);
      for (int64_t pixel = first; pixel < end; ++pixel) {
        const double deviation = output.begin()[pixel * channels + c] - mean;
        squares += deviation * deviation;
      }
      statistics.begin()[2 * tile * channels + c] = sum;
      statistics.begin()[(2 * tile + 1) * channels + c] = squares;
    }
  }
}

}  // namespace

void Conv2dOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                         const StepScalars&) const {
  const kernels::ConvGeometry g = attributes_.geometry(inputs[0].type.shape, inputs[1].type.shape[-1]);
  double* output = outputs[0].begin();
  for_each_product(g, [&](int64_t from, int64_t weight, int64_t to) {
    output[to] += inputs[0].begin()[from] * inputs[1].begin()[weight];
  });
  const int64_t count = outputs[0].type.shape.elements();
  for (int64_t i = 0; i < count; ++i) {
    if (inputs[2].type.present) output[i] += inputs[2].begin()[i % g.out_c];
    if (inputs[3].type.present) output[i] += inputs[3].begin()[i];
  }
  if (statistics_) tile_statistics(kernels::statistics_pixels(g), g.out_c, outputs[0], outputs[1]);
  for (int64_t i = 0; i < count; ++i) output[i] = activate_reference(activation_, output[i]);
}

void Conv2dGradInputOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                  const StepScalars&) const {
  if (inputs[2].type.present) outputs[0].data = inputs[2].data;
  for_each_product(attributes_.geometry(input_, inputs[0].type.shape[-1]),
                   [&](int64_t from, int64_t weight, int64_t to) {
                     outputs[0].begin()[from] += inputs[0].begin()[to] * inputs[1].begin()[weight];
                   });
}

void Conv2dGradWeightOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                                   const StepScalars&) const {
  const int64_t out_c = inputs[1].type.shape[-1];
  for_each_product(attributes_.geometry(inputs[0].type.shape, out_c), [&](int64_t from, int64_t weight, int64_t to) {
    outputs[0].begin()[weight] += inputs[0].begin()[from] * inputs[1].begin()[to];
  });
  if (!bias_) return;
  for (int64_t i = 0; i < inputs[1].type.shape.elements(); ++i) outputs[1].begin()[i % out_c] += inputs[1].begin()[i];
}

}  // namespace convoy
