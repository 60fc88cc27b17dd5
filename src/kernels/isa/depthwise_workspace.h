// The correlations and the scratch memory of depthwise convolutions, whatever maps are stored as.
#pragma once

#include "core/parallel.h"
#include "kernels/isa/depthwise_correlate.h"
#include "kernels/isa/depthwise_grad_weight.h"

namespace convoy::kernels::CONVOY_ISA {

inline Correlation correlation_of(const ConvGeometry& g, bool transposed) {
  return {g.batch, g.in_c, vertical_axis(g, transposed), horizontal_axis(g, transposed)};
}

inline size_t bytes_per_worker(int64_t floats) {
  return static_cast<size_t>(thread_count()) * static_cast<size_t>(floats) * sizeof(float);
}

inline size_t depthwise_forward_workspace(const ConvGeometry& g) {
  return bytes_per_worker(correlation_of(g, false).scratch_floats());
}

inline size_t depthwise_grad_input_workspace(const ConvGeometry& g) {
  return bytes_per_worker(correlation_of(g, true).scratch_floats());
}

inline size_t depthwise_grad_weight_workspace(const ConvGeometry& g) {
  const WeightGradient w(g);
  return static_cast<size_t>(w.sums_floats()) * sizeof(float) + bytes_per_worker(w.scratch_floats());
}

}  // namespace convoy::kernels::CONVOY_ISA
