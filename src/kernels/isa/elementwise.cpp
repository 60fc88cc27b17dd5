#include "kernels/elementwise.h"

#include "kernels/isa/activation.h"
#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

template <class Map>
void activation(Activation kind, int64_t count, const Map* input, Map* output) {
  const bool streamed = streams(count, output, input);
  with_activation(kind, [&](auto tag) {
    parallel_each_pair(count, streamed, [&](int64_t i, auto part) {
      part.store(output + i, activate<decltype(tag)::value, Map>(part.load(input + i)));
    });
  });
}

template <class Map>
void activation_backward(Activation kind, int64_t count, const Map* input, const Map* grad_output, const Map* addend,
                         Map* grad_input) {
  const bool streamed = streams(count, grad_input, input, grad_output, addend);
  with_activation(kind, [&](auto tag) {
    constexpr Activation A = decltype(tag)::value;
    if (addend != nullptr) {
      parallel_each_pair(count, streamed, [&](int64_t i, auto part) {
        const auto slope = activate_grad<A, Map>(part.load(input + i));
        part.store(grad_input + i, fma(part.load(grad_output + i), slope, part.load(addend + i)));
      });
    } else {
      parallel_each_pair(count, streamed, [&](int64_t i, auto part) {
        part.store(grad_input + i, part.load(grad_output + i) * activate_grad<A, Map>(part.load(input + i)));
      });
    }
  });
}

template <class Map>
void add(int terms, int64_t count, const Map* const* inputs, Map* output) {
  if (terms == 2) {
    const Map *a = inputs[0], *b = inputs[1];
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

template <class Map>
void scale_samples(int64_t samples, int64_t per_sample, const float* scales, const Map* input, const Map* addend,
                   Map* output) {
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

template <class Map>
void multiply(int64_t count, const Map* a, const Map* b, Map* output) {
  parallel_each_register(count, streams(count, output, a, b),
                         [&](int64_t i, auto part) { part.store(output + i, part.load(a + i) * part.load(b + i)); });
}

template <class Map>
void multiply_backward(int64_t count, const Map* a, const Map* b, const Map* grad_output, Map* grad_a, Map* grad_b) {
  if (grad_a == nullptr) return multiply(count, grad_output, a, grad_b);
  if (grad_b == nullptr) return multiply(count, grad_output, b, grad_a);
  const bool streamed = streams(count, grad_a, a, b, grad_output) && streams(count, grad_b, a, b, grad_output);
  parallel_each_register(count, streamed, [&](int64_t i, auto part) {
    const Vec grad = part.load(grad_output + i), left = part.load(a + i), right = part.load(b + i);
    part.store(grad_a + i, grad * right);
    part.store(grad_b + i, grad * left);
  });
}

template <class Map>
inline constexpr ElementwiseKernels<Map> kKernelsOf{
    activation<Map>, activation_backward<Map>, add<Map>, scale_samples<Map>, multiply<Map>, multiply_backward<Map>};

}  // namespace

const ByMap<ElementwiseKernels>& elementwise_kernels() {
  static constexpr ByMap<ElementwiseKernels> kKernels{kKernelsOf<float>, kKernelsOf<Bf16>};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
