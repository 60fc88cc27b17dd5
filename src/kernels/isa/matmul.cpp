#include "kernels/matmul.h"

#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

// A task computes one panel of columns of one matrix, kRows rows at a time in registers: kRows x kVectors sums.
constexpr int kVectors = kRegisters == 32 ? 4 : 2;
constexpr int kRows = 6;
constexpr int64_t kPanel = kVectors * kLanes;
static_assert(kPanel <= kMaxMatmulPanel);

// packed {depth, kPanel} = rows [first, first + depth) and columns [column, column + width) of b, zero beyond.
void pack(const MatmulShape& shape, const float* b, int64_t first, int64_t depth, int64_t column, int64_t width,
          float* packed) {
  for (int64_t p = 0; p < depth; ++p) {
    float* row = packed + p * kPanel;
    for (int64_t j = 0; j < width; ++j) {
      row[j] = shape.transpose_b ? b[(column + j) * shape.k + first + p] : b[(first + p) * shape.n + column + j];
    }
    for (int64_t j = width; j < kPanel; ++j) row[j] = 0;
  }
}

// Rows of the panel; a's element (i, p) is a[i * row_stride + p * inner_stride]. What the output holds is added where
// `more`.
template <int kCount>
void multiply_rows(int64_t depth, const float* a, int64_t row_stride, int64_t inner_stride, const float* packed,
                   int64_t width, bool more, float* output, int64_t output_stride) {
  Vec sums[kCount][kVectors];
  for (int r = 0; r < kCount; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t left = width - v * kLanes;
      const float* source = output + r * output_stride + v * kLanes;
      sums[r][v] = !more || left <= 0 ? zero() : left >= kLanes ? load(source) : load_n(source, static_cast<int>(left));
    }
  }
  for (int64_t p = 0; p < depth; ++p, a += inner_stride, packed += kPanel) {
    Vec columns[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) columns[v] = load(packed + v * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kCount; ++r) {
      const Vec factor = broadcast(a[r * row_stride]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] = add_product(sums[r][v], factor, columns[v]);
    }
  }
  for (int r = 0; r < kCount; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t left = width - v * kLanes;
      float* target = output + r * output_stride + v * kLanes;
      if (left >= kLanes) {
        store(target, sums[r][v]);
      } else if (left > 0) {
        store_n(target, sums[r][v], static_cast<int>(left));
      }
    }
  }
}

// As many rows as are left, kCount at the most.
template <int kCount>
void multiply_last_rows(int64_t rows, int64_t depth, const float* a, int64_t row_stride, int64_t inner_stride,
                        const float* packed, int64_t width, bool more, float* output, int64_t output_stride) {
  if (rows == kCount) {
    multiply_rows<kCount>(depth, a, row_stride, inner_stride, packed, width, more, output, output_stride);
  } else if constexpr (kCount > 1) {
    multiply_last_rows<kCount - 1>(rows, depth, a, row_stride, inner_stride, packed, width, more, output,
                                   output_stride);
  }
}

// What lies right of a symmetric product's panel, from what lies below it.
void mirror(int64_t n, int64_t column, int64_t width, float* product) {
  for (int64_t i = column + width; i < n; ++i) {
    for (int64_t j = column; j < column + width; ++j) product[j * n + i] = product[i * n + j];
  }
}

void run(const MatmulShape& shape, const float* a, const float* b, float* output, std::byte* workspace) {
  const int64_t panels = ceil_div(shape.n, kPanel);
  const int64_t row_stride = shape.transpose_a ? 1 : shape.k, inner_stride = shape.transpose_a ? shape.m : 1;
  parallel_for(shape.batch * panels, [&](int64_t task, int worker) {
    const int64_t matrix = task / panels, column = task % panels * kPanel;
    const int64_t width = smaller(kPanel, shape.n - column);
    float* packed = reinterpret_cast<float*>(workspace) + worker * smaller(shape.k, kMatmulDepth) * kMaxMatmulPanel;
    float* product = output + matrix * shape.m * shape.n;
    float* target = product + column;
    for (int64_t first = 0; first < shape.k; first += kMatmulDepth) {
      const int64_t depth = smaller(kMatmulDepth, shape.k - first);
      pack(shape, b + matrix * shape.k * shape.n, first, depth, column, width, packed);
      const float* left = a + matrix * shape.m * shape.k + first * inner_stride;
      int64_t i = shape.symmetric ? column : 0;
      for (; i + kRows <= shape.m; i += kRows) {
        multiply_rows<kRows>(depth, left + i * row_stride, row_stride, inner_stride, packed, width, first > 0,
                             target + i * shape.n, shape.n);
      }
      multiply_last_rows<kRows - 1>(shape.m - i, depth, left + i * row_stride, row_stride, inner_stride, packed, width,
                                    first > 0, target + i * shape.n, shape.n);
    }
    if (shape.symmetric) mirror(shape.n, column, width, product);
  });
}

}  // namespace

const MatmulKernels& matmul_kernels() {
  static constexpr MatmulKernels kKernels{run};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
