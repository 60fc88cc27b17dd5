// Activation functions and their derivatives on a register, or on a Pair of them. NaN propagates through the functions.
#pragma once

#include <type_traits>

#include "convoy/activation.h"
#include "kernels/isa/pair.h"
#include "kernels/isa/pieces.h"
#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

// Functions take what their result is stored as: where that is a brain float, which is rounded to 2^-8, or a byte,
// exponentials, quotients and pieces (pieces.h) are right to 2^-12, in half the instructions.
template <class Element>
inline constexpr bool kRough = !std::is_same_v<Element, float>;
template <class Element>
inline constexpr bool kByPieces = kRough<Element>&& kHasPieces;

// 2^(scale x) to 2^-13, its exponent held in [-126, 126]: of the exponent's fraction the cubic whose largest relative
// error is least.
template <class V>
inline V rough_exp2(float scale, V x) {
  x = min(broadcast(126.0F), max(broadcast(-126.0F), x * broadcast(scale)));
  const V r = fraction(x);
  V p = broadcast(0.07802452F);
  p = fma(p, r, broadcast(0.22606716F));
  p = fma(p, r, broadcast(0.69583356F));
  return scale_by_floor(fma(p, r, broadcast(0.9999252F)), x);
}
inline constexpr float kLog2OfE = 1.44269504F;

// e^x. Float: to about 1 ulp; 0 below -104, infinity above 88.73. x = k ln 2 + r, |r| <= ln 2 / 2, and Cephes'
// polynomial for e^r.
template <class Element = float, class V>
inline V exp(V x) {
  if constexpr (kRough<Element>) return rough_exp2(kLog2OfE, x);
  x = min(broadcast(90.0F), max(broadcast(-105.0F), x));
  const V k = round(x * broadcast(kLog2OfE));
  const V r = fnma(k, broadcast(-2.12194440e-4F), fnma(k, broadcast(0.693359375F), x));
  V p = broadcast(1.9875691500e-4F);
  p = fma(p, r, broadcast(1.3981999507e-3F));
  p = fma(p, r, broadcast(8.3334519073e-3F));
  p = fma(p, r, broadcast(4.1665795894e-2F));
  p = fma(p, r, broadcast(1.6666665459e-1F));
  p = fma(p, r, broadcast(5.0000001201e-1F));
  return ldexp(fma(p, r * r, r) + broadcast(1.0F), k);
}

template <class Element = float, class V>
inline V reciprocal(V x) {
  if constexpr (kRough<Element>) return rough_reciprocal(x);
  return broadcast(1.0F) / x;
}

template <class Element = float, class V>
inline V sigmoid(V x) {
  if constexpr (kRough<Element>) return rough_reciprocal(broadcast(1.0F) + rough_exp2(-kLog2OfE, x));
  return broadcast(1.0F) / (broadcast(1.0F) + exp(zero() - x));
}

// sigmoid(x) and its derivative sigmoid(x) (1 - sigmoid(x)), without the cancellation of 1 - sigmoid(x).
template <class V>
struct SigmoidAndSlope {
  V value, slope;
};
template <class Element = float, class V>
inline SigmoidAndSlope<V> sigmoid_and_slope(V x) {
  if constexpr (kRough<Element>) {
    const V e = rough_exp2(-kLog2OfE, x), value = rough_reciprocal(broadcast(1.0F) + e);
    return {value, value * (e * value)};
  }
  const V e = exp(zero() - abs(x)), upper = broadcast(1.0F) / (broadcast(1.0F) + e), lower = e * upper;
  return {select(x < zero(), lower, upper), upper * lower};
}

// The normal distribution's upper tail 1 - Phi(a) for a >= 0, given bell = exp(-a^2 / 2): bell times a polynomial in
// 1 / (1 + 0.21 a), fitted for the least greatest error of the tail and of a times the tail (4e-8).
template <class Element = float, class V>
inline V normal_tail(V a, V bell) {
  const V t = reciprocal<Element>(fma(a, broadcast(0.21F), broadcast(1.0F)));
  V p = broadcast(0.496399849653244F);
  p = fma(p, t, broadcast(-0.8247190713882446F));
  p = fma(p, t, broadcast(0.8920360803604126F));
  p = fma(p, t, broadcast(-0.3219907283782959F));
  p = fma(p, t, broadcast(0.18448087573051453F));
  p = fma(p, t, broadcast(0.073792964220047F));
  return bell * p * t;
}

// Slope of leaky_relu below zero.
inline constexpr float kLeak = 0.01F;
// gelu_tanh(x) = x / 2 (1 + tanh u) = x sigmoid(2u), 2u = x (kGeluLinear + kGeluCubic x^2): sqrt(8/pi), 0.044715
// sqrt(8/pi).
inline constexpr float kGeluLinear = 1.59576912F;
inline constexpr float kGeluCubic = 0.0713548162726F;

template <Activation A, class Element = float, class V>
inline V activate(V x) {
  const Vec one = broadcast(1.0F), three = broadcast(3.0F), six = broadcast(6.0F), sixth = broadcast(1.0F / 6.0F);
  switch (A) {
    case Activation::none: return x;
    case Activation::relu: return max(zero(), x);
    case Activation::relu6: return min(six, max(zero(), x));
    case Activation::leaky_relu: return max(x * broadcast(kLeak), x);
    case Activation::silu: return x * sigmoid<Element>(x);
    case Activation::hard_swish: return x * min(six, max(zero(), x + three)) * sixth;
    case Activation::hard_sigmoid: return min(six, max(zero(), x + three)) * sixth;
    case Activation::sigmoid: return sigmoid<Element>(x);
    case Activation::gelu: {
      if constexpr (kByPieces<Element>) return gelu_by_pieces(x);
      const V a = min(broadcast(20.0F), abs(x));  // the tail is 0 beyond, and infinity times 0 must not be met
      return fnma(a, normal_tail<Element>(a, exp<Element>(a * a * broadcast(-0.5F))), max(zero(), x));
    }
    case Activation::gelu_tanh:
      return x * sigmoid<Element>(x * fma(x * x, broadcast(kGeluCubic), broadcast(kGeluLinear)));
  }
  return one;
}

// Whether it takes so few instructions that results are activated in registers, on their way to memory.
constexpr bool is_cheap(Activation activation) {
  switch (activation) {
    case Activation::none:
    case Activation::relu:
    case Activation::relu6:
    case Activation::leaky_relu:
    case Activation::hard_swish:
    case Activation::hard_sigmoid: return true;
    default: return false;
  }
}

// Derivative at the pre-activation x; at a kink it is what PyTorch gives: the slope of the saturated side, but that of
// the upper piece for hard_swish. Beyond 20 the derivatives of gelu and gelu_tanh are 0 and 1 to the last bit: there x
// is held, so that its powers stay finite.
template <Activation A, class Element = float, class V>
inline V activate_grad(V x) {
  const Vec one = broadcast(1.0F), three = broadcast(3.0F), half = broadcast(0.5F), sixth = broadcast(1.0F / 6.0F);
  switch (A) {
    case Activation::none: return one;
    case Activation::relu: return select(x > zero(), one, zero());
    case Activation::relu6: return select((x > zero()) & (x < broadcast(6.0F)), one, zero());
    case Activation::leaky_relu: return select(x > zero(), one, broadcast(kLeak));
    case Activation::silu: {
      const auto [s, slope] = sigmoid_and_slope<Element>(x);
      return fma(x, slope, s);
    }
    case Activation::hard_swish: {
      const V inner = select(x < three, fma(x, broadcast(1.0F / 3.0F), half), one);
      return select(x > zero() - three, inner, zero());
    }
    case Activation::hard_sigmoid: return select((x > zero() - three) & (x < three), sixth, zero());
    case Activation::sigmoid: return sigmoid_and_slope<Element>(x).slope;
    case Activation::gelu: {
      if constexpr (kByPieces<Element>) return gelu_slope_by_pieces(x);
      x = min(broadcast(20.0F), max(broadcast(-20.0F), x));
      const V a = abs(x), bell = exp<Element>(a * a * broadcast(-0.5F)), tail = normal_tail<Element>(a, bell);
      const V density = bell * broadcast(0.398942280F);
      return fma(x, density, select(x < zero(), tail, one - tail));
    }
    case Activation::gelu_tanh: {
      x = min(broadcast(20.0F), max(broadcast(-20.0F), x));
      const V square = x * x;
      const auto [s, slope] =
          sigmoid_and_slope<Element>(x * fma(square, broadcast(kGeluCubic), broadcast(kGeluLinear)));
      return fma(x * fma(square, broadcast(3.0F * kGeluCubic), broadcast(kGeluLinear)), slope, s);
    }
  }
  return one;
}

template <Activation A>
struct ActivationTag {
  static constexpr Activation value = A;
};

// Calls body(ActivationTag<A>{}) with A the run-time `activation`.
template <class Body>
inline void with_activation(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::none: return body(ActivationTag<Activation::none>{});
    case Activation::relu: return body(ActivationTag<Activation::relu>{});
    case Activation::relu6: return body(ActivationTag<Activation::relu6>{});
    case Activation::leaky_relu: return body(ActivationTag<Activation::leaky_relu>{});
    case Activation::silu: return body(ActivationTag<Activation::silu>{});
    case Activation::hard_swish: return body(ActivationTag<Activation::hard_swish>{});
    case Activation::hard_sigmoid: return body(ActivationTag<Activation::hard_sigmoid>{});
    case Activation::sigmoid: return body(ActivationTag<Activation::sigmoid>{});
    case Activation::gelu: return body(ActivationTag<Activation::gelu>{});
    case Activation::gelu_tanh: return body(ActivationTag<Activation::gelu_tanh>{});
  }
}

// The same for cheap ones.
template <class Body>
inline void with_cheap_activation(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::relu: return body(ActivationTag<Activation::relu>{});
    case Activation::relu6: return body(ActivationTag<Activation::relu6>{});
    case Activation::leaky_relu: return body(ActivationTag<Activation::leaky_relu>{});
    case Activation::hard_swish: return body(ActivationTag<Activation::hard_swish>{});
    case Activation::hard_sigmoid: return body(ActivationTag<Activation::hard_sigmoid>{});
    default: return body(ActivationTag<Activation::none>{});
  }
}

}  // namespace convoy::kernels::CONVOY_ISA
