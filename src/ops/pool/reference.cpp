// Plain double-precision pooling and its gradients.
#include <cmath>
#include <limits>

#include "ops/pool/pool.h"

namespace convoy {
namespace {

struct Tap {
  int64_t output, input;  // elements
  int64_t position;       // of the input in the window, row by row, borders counted
  int64_t count;          // of the window's elements inside the map
};

// Calls visit(Tap) for every element of every window, in the order of the windows and their positions.
template <class Visit>
void for_each_tap(const kernels::PoolGeometry& g, const Visit& visit) {
  int64_t output = 0;
  for (int64_t n = 0; n < g.batch; ++n) {
    for (int64_t oy = 0; oy < g.rows.out; ++oy) {
      for (int64_t ox = 0; ox < g.columns.out; ++ox) {
        const int64_t top = oy * g.rows.stride - g.rows.pad, left = ox * g.columns.stride - g.columns.pad;
        const int64_t count = (g.rows.end(oy) - g.rows.start(oy)) * (g.columns.end(ox) - g.columns.start(ox));
        for (int64_t c = 0; c < g.channels; ++c, ++output) {
          for (int64_t y = g.rows.start(oy); y < g.rows.end(oy); ++y) {
            for (int64_t x = g.columns.start(ox); x < g.columns.end(ox); ++x) {
              visit(Tap{.output = output,
                        .input = ((n * g.rows.in + y) * g.columns.in + x) * g.channels + c,
                        .position = (y - top) * g.columns.kernel + x - left,
                        .count = count});
            }
          }
        }
      }
    }
  }
}

double divisor(const PoolAttributes& pool, const Tap& tap) {
  return static_cast<double>(pool.count_padding ? pool.kernel.h * pool.kernel.w : tap.count);
}

}  // namespace

void MaxPoolOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                          const StepScalars&) const {
  outputs[0].data.assign(outputs[0].data.size(), -std::numeric_limits<double>::infinity());
  for_each_tap(pool().geometry(inputs[0].type.shape), [&](const Tap& tap) {
    const double value = inputs[0].begin()[tap.input];
    double& best = outputs[0].begin()[tap.output];
    if (!(value > best || std::isnan(value))) return;
    best = value;
    if (outputs[1].type.present) outputs[1].begin()[tap.output] = static_cast<double>(tap.position);
  });
}

void MaxPoolGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                              const StepScalars&) const {
  for_each_tap(pool().geometry(input_), [&](const Tap& tap) {
    const bool held = inputs[1].begin()[tap.output] == static_cast<double>(tap.position);
    if (held) outputs[0].begin()[tap.input] += inputs[0].begin()[tap.output];
  });
}

void AvgPoolOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                          const StepScalars&) const {
  for_each_tap(pool().geometry(inputs[0].type.shape), [&](const Tap& tap) {
    outputs[0].begin()[tap.output] += inputs[0].begin()[tap.input] / divisor(pool(), tap);
  });
}

void AvgPoolGradOp::reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                              const StepScalars&) const {
  for_each_tap(pool().geometry(input_), [&](const Tap& tap) {
    outputs[0].begin()[tap.input] += inputs[0].begin()[tap.output] / divisor(pool(), tap);
  });
}

}  // namespace convoy
