#include "kernels/elementwise.h"

#include "kernels/isa/activation.h"
#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

void activation(Activation kind, int64_t count, const float* input, float* output) {
  const bool streamed = streams(count, output, input);
  with_activation(kind, [&](auto tag) {
    parallel_each_pair(count, streamed, [&](int64_t i, auto part) {
      part.store(output + i, activate<decltype(tag)::value>(part.load(input + i)));
    });
  });
}

void activation_backward(Activation kind, int64_t count, const float* input, const float* grad_output,
                         const float* addend, float* grad_input) {
  const bool streamed = streams(count, grad_input, input, grad_output, addend);
  with_activation(kind, [&](auto tag) {
    constexpr Activation A = decltype(tag)::value;
    if (addend != nullptr) {
      parallel_each_pair(count, streamed, [&](int64_t i, auto part) {
        const auto slope = activate_grad<A>(part.load(input + i));
        part.store(grad_input + i, fma(part.load(grad_output + i), slope, part.load(addend + i)));
      });
    } else {
      parallel_each_pair(count, streamed, [&](int64_t i, auto part) {
        part.store(grad_input + i, part.load(grad_output + i) * activate_grad<A>(part.load(input + i)));
      });
    }
  });
}

void add(int terms, int64_t count, const float* const* inputs, float* output) {
  if (terms == 2) {
    const float *a = inputs[0], *b = inputs[1];
    parallel_each_register(count, streams(count, output, a, b),
                           [&](int64_t i, auto part) { part.store(output + i, part.load(a + i) + part.load(b + i)); });
    return;
  }
  bool streamed = streams(count, output);
  for (int term = 0; term < terms; ++term) streamed = streamed && inputs[term] != output;
  parallel_each_register(count, streamed, [&](int64_t i, auto part) {
    Vec sum = part.load(inputs[0] + i);
    for (int term = 1; term < terms; ++term) sum = sum + part.load(inputs[term] + i);
    part.store(output + i, sum);
  });
}

void scale_samples(int64_t samples, int64_t per_sample, const float* scales, const float* input, const float* addend,
                   float* output) {
  const int64_t tiles = ceil_div(per_sample, kTile);
  const bool streamed = streams_rows(samples * per_sample, per_sample, output, input, addend);
  parallel_for(samples * tiles, [&](int64_t task, int) {
    const int64_t sample = task / tiles, tile = task % tiles;
    const Vec scale = broadcast(scales[sample]);
    const int64_t first = sample * per_sample;
    const int64_t begin = first + tile * kTile, end = smaller(first + per_sample, begin + kTile);
    if (addend != nullptr) {
      each_register(begin, end, streamed, [&](int64_t i, auto part) {
        part.store(output + i, fma(part.load(input + i), scale, part.load(addend + i)));
      });
    } else {
      each_register(begin, end, streamed,
                    [&](int64_t i, auto part) { part.store(output + i, part.load(input + i) * scale); });
    }
    stream_end();
  });
}

void multiply(int64_t count, const float* a, const float* b, float* output) {
  parallel_each_register(count, streams(count, output, a, b),
                         [&](int64_t i, auto part) { part.store(output + i, part.load(a + i) * part.load(b + i)); });
}

void multiply_backward(int64_t count, const float* a, const float* b, const float* grad_output, float* grad_a,
                       float* grad_b) {
  if (grad_a == nullptr) return multiply(count, grad_output, a, grad_b);
  if (grad_b == nullptr) return multiply(count, grad_output, b, grad_a);
  const bool streamed = streams(count, grad_a, a, b, grad_output) && streams(count, grad_b, a, b, grad_output);
  parallel_each_register(count, streamed, [&](int64_t i, auto part) {
    const Vec grad = part.load(grad_output + i), left = part.load(a + i), right = part.load(b + i);
    part.store(grad_a + i, grad * right);
    part.store(grad_b + i, grad * left);
  });
}

}  // namespace

const ElementwiseKernels& elementwise_kernels() {
  static constexpr ElementwiseKernels kKernels{activation, activation_backward, add, scale_samples,
                                               multiply,   multiply_backward};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
