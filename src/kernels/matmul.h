// Batched matrix products.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy::kernels {

// output[b] {m, n} = a[b] {m, k} x b[b] {k, n}; with a transpose, that operand is stored {k, m} or {n, k}.
struct MatmulShape {
  int64_t batch, m, n, k;
  bool transpose_a = false, transpose_b = false;
};

// Bytes of scratch for the kernel.
size_t matmul_workspace(const MatmulShape& shape);

struct MatmulKernels {
  void (*run)(const MatmulShape& shape, const float* a, const float* b, float* output, std::byte* workspace);
};

const MatmulKernels& matmul_kernels();

// The widest panel of b, in columns, that any instruction set packs.
inline constexpr int64_t kMaxMatmulPanel = 64;

}  // namespace convoy::kernels
