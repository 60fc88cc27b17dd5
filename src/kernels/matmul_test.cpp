#include "kernels/matmul.h"

#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;
using testing::expect_close;
using testing::random_floats;

constexpr MatmulShape kShapes[] = {{1, 1, 1, 1},     {3, 7, 5, 9},   {2, 13, 70, 33},
                                   {1, 64, 129, 50}, {4, 6, 64, 16}, {1, 9, 70, 1100}};

TEST(Matmul, EveryTranspose) {
  for (const MatmulShape& base : kShapes) {
    for (int variant = 0; variant < 4; ++variant) {
      MatmulShape shape = base;
      shape.transpose_a = (variant & 1) != 0;
      shape.transpose_b = (variant & 2) != 0;
      const std::vector<float> a = random_floats(shape.batch * shape.m * shape.k, 0);
      const std::vector<float> b = random_floats(shape.batch * shape.k * shape.n, 1);
      const auto expected = [&](int64_t at) {
        const int64_t matrix = at / (shape.m * shape.n), i = at / shape.n % shape.m, j = at % shape.n;
        const float* left = a.data() + matrix * shape.m * shape.k;
        const float* right = b.data() + matrix * shape.k * shape.n;
        double sum = 0;
        for (int64_t p = 0; p < shape.k; ++p) {
          sum += static_cast<double>(left[shape.transpose_a ? p * shape.m + i : i * shape.k + p]) *
                 right[shape.transpose_b ? j * shape.k + p : p * shape.n + j];
        }
        return sum;
      };
      const double tolerance = 1e-5 + 3e-8 * static_cast<double>(shape.k);  // roundings add up over the depth
      set_thread_count(3);
      std::vector<std::byte> workspace(matmul_workspace(shape));
      check_kernel(
          shape.batch * shape.m * shape.n,
          [&](float* y) { matmul_kernels().run(shape, a.data(), b.data(), y, workspace.data()); },
          [&](const std::vector<float>& y) { expect_close(y, tolerance, expected); });
    }
  }
}

// A matrix times its own transpose, either way round, at sizes that panels and rows divide and that they do not.
TEST(Matmul, SymmetricProductsAreWhole) {
  for (const int64_t side : {1, 16, 37, 64, 131}) {
    for (const bool transpose_a : {false, true}) {
      const MatmulShape shape{.batch = 2,
                              .m = side,
                              .n = side,
                              .k = 600,
                              .transpose_a = transpose_a,
                              .transpose_b = !transpose_a,
                              .symmetric = true};
      const std::vector<float> x = random_floats(shape.batch * side * shape.k, 0);
      const auto expected = [&](int64_t at) {
        const int64_t i = at / side % side, j = at % side;
        const float* matrix = x.data() + at / (side * side) * side * shape.k;
        double sum = 0;
        for (int64_t p = 0; p < shape.k; ++p) {
          sum += static_cast<double>(matrix[transpose_a ? p * side + i : i * shape.k + p]) *
                 matrix[transpose_a ? p * side + j : j * shape.k + p];
        }
        return sum;
      };
      set_thread_count(3);
      std::vector<std::byte> workspace(matmul_workspace(shape));
      check_kernel(
          shape.batch * side * side,
          [&](float* y) { matmul_kernels().run(shape, x.data(), x.data(), y, workspace.data()); },
          [&](const std::vector<float>& y) { expect_close(y, 1e-4, expected); });
    }
  }
}

}  // namespace
}  // namespace convoy::kernels
