// What the benches of convolution kernels share: the times of a layer's three directions.
#pragma once

#include <algorithm>

#include "bench/timing.h"
#include "core/buffer.h"
#include "core/random.h"
#include "kernels/conv.h"

namespace convoy::kernels {

inline Buffer random_floats(int64_t count) {
  Buffer buffer(static_cast<size_t>(count) * sizeof(float));
  RandomStream random(1, "bench");
  for (int64_t i = 0; i < count; ++i) buffer.floats()[i] = random.uniform(-1, 1);
  return buffer;
}

// Seconds of each direction.
struct Times {
  double forward, grad_input, grad_weight;
};

// A layer whose maps and kernel are square and padded as for stride 1 to keep their size; channels, groups to be set.
inline ConvGeometry square_geometry(int64_t batch, int64_t size, int64_t kernel, int64_t stride) {
  ConvGeometry g;
  g.batch = batch;
  g.in_h = g.in_w = size;
  g.kernel_h = g.kernel_w = kernel;
  g.stride_h = g.stride_w = stride;
  g.pad_h = g.pad_w = (kernel - 1) / 2;
  g.out_h = g.out_w = (size + 2 * g.pad_h - kernel) / stride + 1;
  return g;
}

// Each direction, the forward pass with statistics; the fastest of the calls that fit into `budget` seconds.
inline Times measure(const ConvKernels& kernels, const ConvGeometry& g, double budget) {
  const int64_t outputs = g.batch * g.out_h * g.out_w * g.out_c;
  const int64_t weights = g.kernel_h * g.kernel_w * (g.in_c / g.groups) * g.out_c;
  const Buffer input = random_floats(g.batch * g.in_h * g.in_w * g.in_c), weight = random_floats(weights);
  const Buffer output(static_cast<size_t>(outputs) * sizeof(float)), grad_output = random_floats(outputs);
  const Buffer grad_input(input.size()), grad_weight(weight.size());
  const int64_t tiles = outputs / g.out_c / statistics_pixels(g) + 1;
  const Buffer statistics(static_cast<size_t>(tiles * 2 * g.out_c) * sizeof(float));
  const Buffer workspace(
      std::max({kernels.forward_workspace(g), kernels.grad_input_workspace(g), kernels.grad_weight_workspace(g)}));
  ConvForwardArgs forward;
  forward.input = input.floats();
  forward.weight = weight.floats();
  forward.output = output.floats();
  forward.statistics = statistics.floats();
  forward.workspace = workspace.data();
  const ConvGradInputArgs backward{grad_output.floats(), weight.floats(), nullptr, grad_input.floats(),
                                   workspace.data()};
  const ConvGradWeightArgs update{input.floats(), grad_output.floats(), grad_weight.floats(), nullptr,
                                  workspace.data()};
  return {best_seconds(budget, [&] { kernels.forward(g, forward); }),
          best_seconds(budget, [&] { kernels.grad_input(g, backward); }),
          best_seconds(budget, [&] { kernels.grad_weight(g, update); })};
}

}  // namespace convoy::kernels
