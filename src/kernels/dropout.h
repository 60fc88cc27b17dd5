// Dropout and stochastic depth. Masks are never stored: they are a function of a random stream, which the backward
// kernel repeats.
#pragma once

#include <cstdint>

namespace convoy::kernels {

// Which mask: the seed of the run, the step, and the op within the network; and where in it the elements or samples
// begin.
struct MaskKey {
  uint64_t seed;
  uint64_t op;
  int64_t step;
  int64_t first = 0;
};

// output[i] = input[i] / (1 - probability) where the mask keeps i, else 0; each is dropped with `probability` in [0,
// 1). Also the gradient, given grad_output for input. output may be input.
void dropout(const MaskKey& key, float probability, int64_t count, const float* input, float* output);

// scales[n] = 1 / (1 - probability) where sample n is kept, else 0 (Huang et al., arXiv 1603.09382).
void drop_path_scales(const MaskKey& key, float probability, int64_t samples, float* scales);

}  // namespace convoy::kernels
