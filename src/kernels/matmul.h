// Batched matrix products.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy::kernels {

// output[b] {m, n} = a[b] {m, k} x b[b] {k, n}; with a transpose, that operand is stored {k, m} or {n, k}.
struct MatmulShape {
  int64_t batch, m, n, k;
  bool transpose_a = false, transpose_b = false;
  bool symmetric = false;  // the product is its own transpose (m == n), so that half of it need not be computed
};

// Bytes of scratch for the kernel.
size_t matmul_workspace(const MatmulShape& shape);

struct MatmulKernels {
  void (*run)(const MatmulShape& shape, const float* a, const float* b, float* output, std::byte* workspace);
};

const MatmulKernels& matmul_kernels();

// A panel of b that is packed at a time: its columns, at most, in any instruction set, and its rows.
inline constexpr int64_t kMaxMatmulPanel = 64;
inline constexpr int64_t kMatmulDepth = 512;

}  // namespace convoy::kernels
