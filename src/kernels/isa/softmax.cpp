#include "kernels/softmax.h"

#include "kernels/isa/activation.h"
#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

template <class Body>
void parallel_each_row(int64_t rows, int64_t classes, const Body& body) {
  const int64_t step = larger<int64_t>(1, kTile / classes);
  parallel_for(ceil_div(rows, step), [&](int64_t task, int) {
    const int64_t end = smaller(rows, (task + 1) * step);
    for (int64_t row = task * step; row < end; ++row) body(row);
  });
}

// Sum over the registers of [0, count) of body(i, part), which must be zero in the lanes that `part` leaves out.
template <class Body>
float row_sum(int64_t count, const Body& body) {
  Vec sum = zero();
  each_register(0, count, [&](int64_t i, auto part) { sum = sum + body(i, part); });
  return reduce_add(sum);
}

float row_max(const float* x, int64_t count) {
  if (count < kLanes) {
    float best = x[0];
    for (int64_t i = 1; i < count; ++i) best = larger(best, x[i]);
    return best;
  }
  Vec best = load(x);
  for (int64_t i = kLanes; i + kLanes <= count; i += kLanes) best = max(best, load(x + i));
  return reduce_max(max(best, load(x + count - kLanes)));
}

// exp(x[i] - shift), zero in the lanes that `part` leaves out.
template <class Part>
Vec shifted_exp(const float* x, int64_t i, Part part, Vec shift) {
  return part.keep(exp(part.load(x + i) - shift));
}

void forward(int64_t rows, int64_t classes, const float* input, float* output) {
  parallel_each_row(rows, classes, [&](int64_t row) {
    const float* x = input + row * classes;
    float* y = output + row * classes;
    const Vec shift = broadcast(row_max(x, classes));
    const float sum = row_sum(classes, [&](int64_t i, auto part) {
      const Vec e = shifted_exp(x, i, part, shift);
      part.store(y + i, e);
      return e;
    });
    const Vec scale = broadcast(1.0F / sum);
    each_register(0, classes, [&](int64_t i, auto part) { part.store(y + i, part.load(y + i) * scale); });
  });
}

void backward(int64_t rows, int64_t classes, const float* output, const float* grad_output, float* grad_input) {
  parallel_each_row(rows, classes, [&](int64_t row) {
    const float *y = output + row * classes, *grad = grad_output + row * classes;
    const Vec dot =
        broadcast(row_sum(classes, [&](int64_t i, auto part) { return part.load(y + i) * part.load(grad + i); }));
    each_register(0, classes, [&](int64_t i, auto part) {
      part.store(grad_input + row * classes + i, part.load(y + i) * (part.load(grad + i) - dot));
    });
  });
}

// t' of the contract, as factor * target + offset.
struct Smoothing {
  float factor, offset;
};
Smoothing smoothing_of(float smoothing, int64_t classes) {
  return {1.0F - smoothing, smoothing / static_cast<float>(classes)};
}

void cross_entropy(int64_t samples, int64_t classes, float smoothing, const float* logits, const float* targets,
                   float* losses, float* mean) {
  const Smoothing smooth = smoothing_of(smoothing, classes);
  const Vec factor = broadcast(smooth.factor), offset = broadcast(smooth.offset);
  parallel_each_row(samples, classes, [&](int64_t row) {
    const float *x = logits + row * classes, *target = targets + row * classes;
    const float largest = row_max(x, classes);
    const Vec shift = broadcast(largest);
    const float sum = row_sum(classes, [&](int64_t i, auto part) { return shifted_exp(x, i, part, shift); });
    const Vec log_sum = broadcast(__builtin_logf(sum));
    losses[row] = row_sum(classes, [&](int64_t i, auto part) {
      return part.keep(fma(part.load(target + i), factor, offset) * (log_sum - (part.load(x + i) - shift)));
    });
  });
  double total = 0;
  for (int64_t row = 0; row < samples; ++row) total += static_cast<double>(losses[row]);
  *mean = static_cast<float>(total / static_cast<double>(samples));
}

void cross_entropy_backward(int64_t samples, int64_t classes, float smoothing, const float* logits,
                            const float* targets, const float* grad_mean, float* grad_logits) {
  const Smoothing smooth = smoothing_of(smoothing, classes);
  const Vec factor = broadcast(smooth.factor), offset = broadcast(smooth.offset);
  const Vec scale = broadcast(*grad_mean / static_cast<float>(samples));
  parallel_each_row(samples, classes, [&](int64_t row) {
    const float *x = logits + row * classes, *target = targets + row * classes;
    float* grad = grad_logits + row * classes;
    const Vec shift = broadcast(row_max(x, classes));
    const float sum = row_sum(classes, [&](int64_t i, auto part) {
      const Vec e = shifted_exp(x, i, part, shift);
      part.store(grad + i, e);
      return e;
    });
    const float weight = row_sum(classes, [&](int64_t i, auto part) { return part.load(target + i); });
    const Vec probability_scale = broadcast((smooth.factor * weight + smoothing) / sum);
    each_register(0, classes, [&](int64_t i, auto part) {
      const Vec soft = fma(part.load(target + i), factor, offset);
      part.store(grad + i, scale * (part.load(grad + i) * probability_scale - soft));
    });
  });
}

}  // namespace

const SoftmaxKernels& softmax_kernels() {
  static constexpr SoftmaxKernels kKernels{forward, backward, cross_entropy, cross_entropy_backward};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
