// The limits of this machine, to hold other figures against.
#pragma once

#include <cstdint>

namespace convoy::kernels {

struct PeakKernels {
  // Runs `rounds` rounds of independent fused multiply-adds in registers and returns the floating-point operations
  // done, two a multiply-add; `sink` keeps the compiler from leaving the work out.
  int64_t (*run)(int64_t rounds, float* sink);
  // The same of products of bytes, as quantised layers add them up.
  int64_t (*run_bytes)(int64_t rounds, float* sink);
};

const PeakKernels& peak_kernels();

// Floating-point operations a second of all threads together, the best of some short trials (about 7 ms in all).
double measure_peak();
// The same of products of brain floats on matrix tiles; of floats where there are none.
double measure_tile_peak();
// The same of products of bytes, by the fastest instruction for them.
double measure_byte_peak();

// Bytes a second that all threads together read from memory and write to it, copying; the best of some trials (about
// 0.2 s and 256 MiB in all).
double measure_bandwidth();

}  // namespace convoy::kernels
