#include "kernels/elementwise.h"

#include "core/parallel.h"
#include "kernels/isa/activation.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

constexpr int64_t kTile = 16384;  // elements a task takes: long enough to hide its start, short enough to share out

// Calls body(offset, lanes) for the registers of [0, count), from several threads; lanes < kLanes in the last one only.
template <class Body>
void for_each_register(int64_t count, const Body& body) {
  parallel_for(ceil_div(count, kTile), [&](int64_t tile, int) {
    const int64_t end = smaller(count, (tile + 1) * kTile);
    int64_t i = tile * kTile;
    for (; i + kLanes <= end; i += kLanes) body(i, WholeRegister{});
    if (i < end) body(i, PartRegister{static_cast<int>(end - i)});
  });
}

void activation(Activation kind, int64_t count, const float* input, float* output) {
  with_activation(kind, [&](auto tag) {
    for_each_register(count, [&](int64_t i, auto part) {
      part.store(output + i, activate<decltype(tag)::value>(part.load(input + i)));
    });
  });
}

void activation_backward(Activation kind, int64_t count, const float* input, const float* grad_output,
                         const float* addend, float* grad_input) {
  with_activation(kind, [&](auto tag) {
    constexpr Activation A = decltype(tag)::value;
    if (addend != nullptr) {
      for_each_register(count, [&](int64_t i, auto part) {
        const Vec slope = activate_grad<A>(part.load(input + i));
        part.store(grad_input + i, fma(part.load(grad_output + i), slope, part.load(addend + i)));
      });
    } else {
      for_each_register(count, [&](int64_t i, auto part) {
        part.store(grad_input + i, part.load(grad_output + i) * activate_grad<A>(part.load(input + i)));
      });
    }
  });
}

}  // namespace

const ElementwiseKernels& elementwise_kernels() {
  static constexpr ElementwiseKernels kKernels{activation, activation_backward};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
