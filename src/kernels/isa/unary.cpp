#include "kernels/unary.h"

#include "kernels/isa/activation.h"
#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// Up to 0.625 Cephes' odd polynomial, which keeps the relative precision of small results; above, 1 - 2 / (e^2|x| + 1).
Vec tanh(Vec x) {
  const Vec one = broadcast(1.0F), a = abs(x), square = x * x;
  Vec p = broadcast(-5.70498872745e-3F);
  p = fma(p, square, broadcast(2.06390887954e-2F));
  p = fma(p, square, broadcast(-5.37397155531e-2F));
  p = fma(p, square, broadcast(1.33314422036e-1F));
  p = fma(p, square, broadcast(-3.33332819422e-1F));
  const Vec large = one - broadcast(2.0F) / (exp(a + a) + one);
  return select(a < broadcast(0.625F), fma(p * square, x, x), select(x < zero(), zero() - large, large));
}

// Up to 1 Cephes' odd polynomial; above, 1 - 2 (1 - Phi(sqrt(2) |x|)), whose tail is 0 beyond 20, where x is held so
// that infinity times 0 is not met.
Vec erf(Vec x) {
  const Vec one = broadcast(1.0F), a = min(broadcast(20.0F), abs(x)), square = x * x;
  Vec p = broadcast(7.853861353153693e-5F);
  p = fma(p, square, broadcast(-8.010193625184903e-4F));
  p = fma(p, square, broadcast(5.188327685732524e-3F));
  p = fma(p, square, broadcast(-2.685381193529856e-2F));
  p = fma(p, square, broadcast(1.128358514861418e-1F));
  p = fma(p, square, broadcast(-3.761262582423300e-1F));
  p = fma(p, square, broadcast(1.128379165726710F));
  const Vec tail = normal_tail(a * broadcast(1.41421356F), exp(zero() - a * a));
  const Vec large = fnma(broadcast(2.0F), tail, one);
  return select(a < one, p * x, select(x < zero(), zero() - large, large));
}

template <UnaryFunction F>
Vec evaluate(Vec x) {
  switch (F) {
    case UnaryFunction::tanh: return tanh(x);
    case UnaryFunction::erf: return erf(x);
    case UnaryFunction::exp: return exp(x);
    case UnaryFunction::log: return x;  // not computed here
    case UnaryFunction::sqrt: return sqrt(x);
    case UnaryFunction::reciprocal: return broadcast(1.0F) / x;
    case UnaryFunction::abs: return abs(x);
  }
  return x;
}

// grad times the derivative at x, of which `saved` is x or function(x).
template <UnaryFunction F>
Vec times_derivative(Vec grad, Vec saved) {
  const Vec one = broadcast(1.0F);
  switch (F) {
    case UnaryFunction::tanh: return grad * ((one - saved) * (one + saved));
    case UnaryFunction::erf: return grad * (broadcast(1.12837917F) * exp(zero() - saved * saved));
    case UnaryFunction::exp: return grad * saved;
    case UnaryFunction::log: return grad / saved;
    case UnaryFunction::sqrt: return grad / (saved + saved);
    case UnaryFunction::reciprocal: return zero() - grad * (saved * saved);
    case UnaryFunction::abs: {
      const Vec sign = select(saved > zero(), one, select(saved < zero(), zero() - one, saved));  // NaN stays
      return grad * sign;
    }
  }
  return grad;
}

template <UnaryFunction F>
struct UnaryTag {
  static constexpr UnaryFunction value = F;
};

// Calls body(UnaryTag<F>{}) with F the run-time `function`.
template <class Body>
void with_function(UnaryFunction function, const Body& body) {
  switch (function) {
    case UnaryFunction::tanh: return body(UnaryTag<UnaryFunction::tanh>{});
    case UnaryFunction::erf: return body(UnaryTag<UnaryFunction::erf>{});
    case UnaryFunction::exp: return body(UnaryTag<UnaryFunction::exp>{});
    case UnaryFunction::log: return body(UnaryTag<UnaryFunction::log>{});
    case UnaryFunction::sqrt: return body(UnaryTag<UnaryFunction::sqrt>{});
    case UnaryFunction::reciprocal: return body(UnaryTag<UnaryFunction::reciprocal>{});
    case UnaryFunction::abs: return body(UnaryTag<UnaryFunction::abs>{});
  }
}

void forward(UnaryFunction function, int64_t count, const float* input, float* output) {
  const bool streamed = streams(count, output, input);
  with_function(function, [&](auto tag) {
    parallel_each_register(count, streamed, [&](int64_t i, auto part) {
      part.store(output + i, evaluate<decltype(tag)::value>(part.load(input + i)));
    });
  });
}

void backward(UnaryFunction function, int64_t count, const float* saved, const float* grad_output, float* grad_input) {
  const bool streamed = streams(count, grad_input, saved, grad_output);
  with_function(function, [&](auto tag) {
    parallel_each_register(count, streamed, [&](int64_t i, auto part) {
      const Vec grad = part.load(grad_output + i);
      part.store(grad_input + i, times_derivative<decltype(tag)::value>(grad, part.load(saved + i)));
    });
  });
}

}  // namespace

const UnaryKernels& unary_kernels() {
  static constexpr UnaryKernels kKernels{forward, backward};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
