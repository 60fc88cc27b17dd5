// Two registers that go through the same instructions: while the one waits for a result, the other's is computed.
#pragma once

#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {

struct Pair {
  Vec a, b;

  Pair(Vec first, Vec second) : a(first), b(second) {}
  Pair(Vec both) : a(both), b(both) {}
};
struct PairMask {
  Mask a, b;
};

template <class Element>
inline Pair load_pair(const Element* p) {
  return {load(p), load(p + kLanes)};
}
template <class Element>
inline void store(Element* p, Pair x) {
  store(p, x.a);
  store(p + kLanes, x.b);
}
template <class Element>
inline void stream(Element* p, Pair x) {
  stream(p, x.a);
  stream(p + kLanes, x.b);
}
// What loops over both kinds of register pass on (WholeRegister in simd.h).
struct PairOfRegisters {
  template <class Element>
  Pair load(const Element* p) const {
    return load_pair(p);
  }
  template <class Element>
  void store(Element* p, Pair x) const {
    CONVOY_ISA::store(p, x);
  }
};
struct StreamedPair : PairOfRegisters {
  template <class Element>
  void store(Element* p, Pair x) const {
    stream(p, x);
  }
};
inline Pair operator+(Pair x, Pair y) { return {x.a + y.a, x.b + y.b}; }
inline Pair operator-(Pair x, Pair y) { return {x.a - y.a, x.b - y.b}; }
inline Pair operator*(Pair x, Pair y) { return {x.a * y.a, x.b * y.b}; }
inline Pair operator/(Pair x, Pair y) { return {x.a / y.a, x.b / y.b}; }
inline Pair fraction(Pair x) { return {fraction(x.a), fraction(x.b)}; }
inline Pair scale_by_floor(Pair x, Pair n) { return {scale_by_floor(x.a, n.a), scale_by_floor(x.b, n.b)}; }
inline Pair rough_reciprocal(Pair x) { return {rough_reciprocal(x.a), rough_reciprocal(x.b)}; }
inline Pair fma(Pair x, Pair y, Pair z) { return {fma(x.a, y.a, z.a), fma(x.b, y.b, z.b)}; }
inline Pair fnma(Pair x, Pair y, Pair z) { return {fnma(x.a, y.a, z.a), fnma(x.b, y.b, z.b)}; }
inline Pair min(Pair x, Pair y) { return {min(x.a, y.a), min(x.b, y.b)}; }
inline Pair max(Pair x, Pair y) { return {max(x.a, y.a), max(x.b, y.b)}; }
inline Pair abs(Pair x) { return {abs(x.a), abs(x.b)}; }
inline Pair round(Pair x) { return {round(x.a), round(x.b)}; }
inline Pair ldexp(Pair x, Pair n) { return {ldexp(x.a, n.a), ldexp(x.b, n.b)}; }
inline PairMask operator<(Pair x, Pair y) { return {x.a < y.a, x.b < y.b}; }
inline PairMask operator>(Pair x, Pair y) { return {x.a > y.a, x.b > y.b}; }
inline PairMask operator&(PairMask x, PairMask y) { return {x.a & y.a, x.b & y.b}; }
inline Pair select(PairMask m, Pair yes, Pair no) { return {select(m.a, yes.a, no.a), select(m.b, yes.b, no.b)}; }

}  // namespace convoy::kernels::CONVOY_ISA
