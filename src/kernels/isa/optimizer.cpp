#include "kernels/optimizer.h"

#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

void sgd(const SgdStep& step, int64_t count, const float* grad, float* weight, float* momentum) {
  const Vec rate = broadcast(step.learning_rate), l2 = broadcast(step.l2), keep = broadcast(step.keep);
  const Vec scale = broadcast(step.grad_scale), inertia = broadcast(step.momentum);
  const auto descend = [=](int64_t i, auto part, auto direction) {
    const Vec w = part.load(weight + i);
    const Vec g = fma(part.load(grad + i), scale, w * l2);
    part.store(weight + i, fnma(rate, direction(i, part, g), w * keep));
  };
  const auto accelerate = [=](int64_t i, auto part, Vec g) {
    const Vec m = fma(inertia, part.load(momentum + i), g);
    part.store(momentum + i, m);
    return m;
  };
  if (momentum == nullptr) {
    parallel_each_register(count,
                           [&](int64_t i, auto part) { descend(i, part, [](int64_t, auto, Vec g) { return g; }); });
  } else if (step.nesterov) {
    parallel_each_register(count, [&](int64_t i, auto part) {
      descend(i, part, [&](int64_t at, auto p, Vec g) { return fma(inertia, accelerate(at, p, g), g); });
    });
  } else {
    parallel_each_register(count, [&](int64_t i, auto part) { descend(i, part, accelerate); });
  }
}

void adam(const AdamStep& step, int64_t count, const float* grad, float* weight, float* first_moment,
          float* second_moment) {
  const Vec size = broadcast(step.step_size), root = broadcast(step.inverse_root), epsilon = broadcast(step.epsilon);
  const Vec l2 = broadcast(step.l2), keep = broadcast(step.keep), scale = broadcast(step.grad_scale);
  const Vec beta2 = broadcast(step.beta2);
  const Vec rest1 = broadcast(1.0F - step.beta1), rest2 = broadcast(1.0F - step.beta2);
  parallel_each_register(count, [&](int64_t i, auto part) {
    const Vec w = part.load(weight + i);
    const Vec g = fma(part.load(grad + i), scale, w * l2);
    const Vec m0 = part.load(first_moment + i);
    const Vec m = fma(g - m0, rest1, m0);
    const Vec v = fma(part.load(second_moment + i), beta2, g * g * rest2);
    part.store(first_moment + i, m);
    part.store(second_moment + i, v);
    part.store(weight + i, w * keep - size * m / fma(sqrt(v), root, epsilon));
  });
}

void rmsprop(const RmspropStep& step, int64_t count, const float* grad, float* weight, float* second_moment,
             float* momentum) {
  const Vec inner = broadcast(step.inner_rate), outer = broadcast(step.outer_rate), l2 = broadcast(step.l2);
  const Vec keep = broadcast(step.keep), scale = broadcast(step.grad_scale), inertia = broadcast(step.momentum);
  const Vec rest = broadcast(1.0F - step.alpha);
  const Vec inside = broadcast(step.epsilon_inside ? step.epsilon : 0.0F);
  const Vec outside = broadcast(step.epsilon_inside ? 0.0F : step.epsilon);
  parallel_each_register(count, [&](int64_t i, auto part) {
    const Vec w = part.load(weight + i);
    const Vec g = fma(part.load(grad + i), scale, w * l2);
    const Vec v0 = part.load(second_moment + i);
    const Vec v = fma(fma(g, g, zero() - v0), rest, v0);
    part.store(second_moment + i, v);
    Vec move = inner * g / (sqrt(v + inside) + outside);
    if (momentum != nullptr) {
      move = fma(inertia, part.load(momentum + i), move);
      part.store(momentum + i, move);
    }
    part.store(weight + i, fnma(outer, move, w * keep));
  });
}

void lion(const LionStep& step, int64_t count, const float* grad, float* weight, float* moment) {
  const Vec rate = broadcast(step.learning_rate), keep = broadcast(step.keep), scale = broadcast(step.grad_scale);
  const Vec rest1 = broadcast(1.0F - step.beta1), rest2 = broadcast(1.0F - step.beta2);
  parallel_each_register(count, [&](int64_t i, auto part) {
    const Vec g = part.load(grad + i) * scale;
    const Vec m = part.load(moment + i);
    const Vec ahead = fma(g - m, rest1, m);
    const Vec down = select(ahead < zero(), rate, zero());
    const Vec move = select(ahead > zero(), rate, zero() - down);
    part.store(weight + i, part.load(weight + i) * keep - move);
    part.store(moment + i, fma(g - m, rest2, m));
  });
}

void lamb(const LambStep& step, int64_t count, const float* grad, const float* weight, float* first_moment,
          float* second_moment, float* direction) {
  const Vec first = broadcast(step.inverse_first), root = broadcast(step.inverse_root);
  const Vec epsilon = broadcast(step.epsilon), decay = broadcast(step.decay), scale = broadcast(step.grad_scale);
  const Vec beta2 = broadcast(step.beta2);
  const Vec rest1 = broadcast(1.0F - step.beta1), rest2 = broadcast(1.0F - step.beta2);
  parallel_each_register(count, [&](int64_t i, auto part) {
    const Vec g = part.load(grad + i) * scale;
    const Vec m0 = part.load(first_moment + i);
    const Vec m = fma(g - m0, rest1, m0);
    const Vec v = fma(part.load(second_moment + i), beta2, g * g * rest2);
    part.store(first_moment + i, m);
    part.store(second_moment + i, v);
    part.store(direction + i, fma(part.load(weight + i), decay, first * m / fma(sqrt(v), root, epsilon)));
  });
}

void combine(int64_t count, float a, const float* x, float b, const float* y, float* output) {
  const Vec left = broadcast(a), right = broadcast(b);
  parallel_each_register(count, [&](int64_t i, auto part) {
    part.store(output + i, fma(left, part.load(x + i), right * part.load(y + i)));
  });
}

void moving_average(float decay, int64_t count, const float* value, float* average) {
  const Vec rest = broadcast(1.0F - decay);
  parallel_each_register(count, [&](int64_t i, auto part) {
    const Vec a = part.load(average + i);
    part.store(average + i, fma(part.load(value + i) - a, rest, a));
  });
}

// A block is summed in floats, lane by lane; blocks are summed in double.
double squared_norm(int64_t count, const float* grad, std::byte* workspace) {
  constexpr int64_t kBlock = 64 * kLanes;
  double* partial = reinterpret_cast<double*>(workspace);
  parallel_for(ceil_div(count, kNormTile), [&](int64_t tile, int) {
    const int64_t end = smaller(count, (tile + 1) * kNormTile);
    double total = 0;
    for (int64_t begin = tile * kNormTile; begin < end; begin += kBlock) {
      Vec sum = zero();
      each_register(begin, smaller(end, begin + kBlock), [&](int64_t i, auto part) {
        const Vec g = part.load(grad + i);
        sum = fma(g, g, sum);
      });
      total += static_cast<double>(reduce_add(sum));
    }
    partial[tile] = total;
  });
  double total = 0;
  for (int64_t tile = 0; tile < ceil_div(count, kNormTile); ++tile) total += partial[tile];
  return total;
}

}  // namespace

const OptimizerKernels& optimizer_kernels() {
  static constexpr OptimizerKernels kKernels{sgd, adam, rmsprop, lion, lamb, combine, moving_average, squared_norm};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
