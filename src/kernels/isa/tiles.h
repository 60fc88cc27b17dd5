// Sharing out a run of elements among the threads, a register at a time.
#pragma once

#include "core/parallel.h"
#include "kernels/isa/pair.h"
#include "kernels/isa/streaming.h"

namespace convoy::kernels::CONVOY_ISA {

// Elements of one task: enough to hide what it costs to start it, few enough to share out.
inline constexpr int64_t kTile = 16384;

// A whole register that is stored around the caches.
struct StreamedRegister : WholeRegister {
  template <class Element>
  void store(Element* p, Vec a) const {
    stream(p, a);
  }
};

// Calls body(i, part) for every register of [begin, end): `part` loads and stores the elements from i on, whole
// registers as a `Whole` does.
template <class Whole = WholeRegister, class Body>
inline void each_register(int64_t begin, int64_t end, const Body& body) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) body(i, Whole{});
  if (i < end) body(i, PartRegister{static_cast<int>(end - i)});
}
// streamed: body's stores go around the caches, and stream_end() is to follow before the task ends.
template <class Body>
inline void each_register(int64_t begin, int64_t end, bool streamed, const Body& body) {
  streamed ? each_register<StreamedRegister>(begin, end, body) : each_register(begin, end, body);
}

// The same for [0, count), from several threads.
template <class Body>
inline void parallel_each_register(int64_t count, bool streamed, const Body& body) {
  parallel_for(ceil_div(count, kTile), [&](int64_t tile, int) {
    each_register(tile * kTile, smaller(count, (tile + 1) * kTile), streamed, body);
    stream_end();
  });
}
template <class Body>
inline void parallel_each_register(int64_t count, const Body& body) {
  parallel_each_register(count, false, body);
}

// The same for long computations, with pairs of registers first.
template <class Body>
inline void parallel_each_pair(int64_t count, bool streamed, const Body& body) {
  parallel_for(ceil_div(count, kTile), [&](int64_t tile, int) {
    const int64_t end = smaller(count, (tile + 1) * kTile);
    int64_t i = tile * kTile;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) streamed ? body(i, StreamedPair{}) : body(i, PairOfRegisters{});
    each_register(i, end, streamed, body);
    stream_end();
  });
}

}  // namespace convoy::kernels::CONVOY_ISA
