// Loops unrolled by the compiler for certain, so that arrays of registers stay registers.
#pragma once

namespace convoy::kernels::CONVOY_ISA {

template <int N>
struct Index {
  static constexpr int value = N;
  constexpr operator int() const { return N; }
};

// body(Index<Begin>), ..., body(Index<End - 1>).
template <int Begin, int End, class Body>
[[gnu::always_inline]] inline void unroll(const Body& body) {
  if constexpr (Begin < End) {
    body(Index<Begin>{});
    unroll<Begin + 1, End>(body);
  }
}

}  // namespace convoy::kernels::CONVOY_ISA
