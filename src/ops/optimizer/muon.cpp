#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/matmul.h"
#include "kernels/optimizer.h"
#include "ops/optimizer/optimizer.h"
#include "ops/optimizer/update.h"

namespace convoy {
namespace {

using kernels::MatmulShape;
using kernels::optimizer_kernels;

constexpr int kIterations = 5;
// X <- a X + b (X X^T) X + c (X X^T)^2 X, steepest at 0 (Jordan).
constexpr float kA = 3.4445F, kB = -4.7750F, kC = 2.0315F;

// A matrix X {rows, columns}, of whose two Gram matrices the smaller one, {side, side}, is used.
struct Matrix {
  int64_t rows, columns;
  bool wide;  // rows < columns
  int64_t side;

  explicit Matrix(const Shape& weight)
      : rows(weight.elements() / weight[-1]),
        columns(weight[-1]),
        wide(rows < columns),
        side(std::min(rows, columns)) {}

  int64_t count() const { return rows * columns; }
  // X X^T where X is wide, else X^T X.
  MatmulShape gram() const {
    return {.batch = 1, .m = side, .n = side, .k = std::max(rows, columns), .transpose_a = !wide, .transpose_b = wide};
  }
  MatmulShape gram_squared() const { return {.batch = 1, .m = side, .n = side, .k = side}; }
  // A Gram matrix times X where X is wide, else X times it.
  MatmulShape product() const { return {.batch = 1, .m = rows, .n = columns, .k = side}; }
};

struct Scratch {
  size_t second, gram, gram_squared, kernels, bytes;

  explicit Scratch(const Matrix& x) {
    const size_t matrix = padded_floats(x.count()) * sizeof(float),
                 square = padded_floats(x.side * x.side) * sizeof(float);
    second = matrix;
    gram = second + matrix;
    gram_squared = gram + square;
    kernels = gram_squared + square;
    bytes = kernels + std::max({kernels::matmul_workspace(x.gram()), kernels::matmul_workspace(x.gram_squared()),
                                kernels::matmul_workspace(x.product()), kernels::squared_norm_workspace(x.count())});
  }
};

// Makes the singular values of `x` ones, about: an odd polynomial of x, applied again and again. Returns where the
// result is, x or the matrix after it in the workspace.
float* orthogonalize(const Matrix& matrix, float* x, std::byte* workspace) {
  const Scratch at(matrix);
  const auto place = [&](size_t offset) { return reinterpret_cast<float*>(workspace + offset); };
  float* other = place(at.second);
  float* gram = place(at.gram);
  float* square = place(at.gram_squared);
  std::byte* scratch = workspace + at.kernels;
  const kernels::MatmulKernels& matmul = kernels::matmul_kernels();
  const double norm = std::sqrt(optimizer_kernels().squared_norm(matrix.count(), x, scratch));
  optimizer_kernels().combine(matrix.count(), static_cast<float>(1 / (norm + 1e-7)), x, 0, x, x);
  for (int i = 0; i < kIterations; ++i) {
    matmul.run(matrix.gram(), x, x, gram, scratch);
    matmul.run(matrix.gram_squared(), gram, gram, square, scratch);
    optimizer_kernels().combine(matrix.side * matrix.side, kB, gram, kC, square, gram);
    matmul.run(matrix.product(), matrix.wide ? gram : x, matrix.wide ? x : gram, other, scratch);
    optimizer_kernels().combine(matrix.count(), kA, x, 1, other, other);
    std::swap(x, other);
  }
  return x;
}

size_t muon_workspace(const NodeSpec& spec) { return Scratch(Matrix(spec.inputs[0].shape)).bytes; }

void run_muon(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = static_cast<const MuonOp&>(spec.op);
  const Matrix matrix(spec.inputs[0].shape);
  const float beta = momentum_now(op.muon().momentum, memory.step);
  const float share = (1 - beta) * grad_scale(spec, memory);
  float* weight = memory.input(0);
  float* momentum = memory.input(1);
  const float* grad = memory.input(2);
  float* x = reinterpret_cast<float*>(memory.workspace);
  optimizer_kernels().combine(matrix.count(), beta, momentum, share, grad, momentum);
  optimizer_kernels().combine(matrix.count(), beta, momentum, share, grad, x);
  const float* direction = orthogonalize(matrix, x, memory.workspace);
  const auto larger = static_cast<float>(std::max(matrix.rows, matrix.columns));
  optimizer_kernels().combine(matrix.count(), op.keep(memory.step), weight,
                              -op.rate(memory.step) * 0.2F * std::sqrt(larger), direction, weight);
}

}  // namespace

bool MuonOp::takes(const Shape& weight) {
  if (weight.rank() < 2) return false;
  const Matrix matrix(weight);
  const int64_t inputs = weight[-2];
  return inputs > 1 && matrix.columns > 1 && matrix.side >= 4 &&
         std::max(matrix.rows, matrix.columns) <= 128 * matrix.side;
}

std::string MuonOp::attributes() const { return with_update(fmt::format("momentum={}", attributes_.momentum)); }

std::span<const Kernel> MuonOp::kernels() const {
  static constexpr Kernel kTable[] = {{"newton_schulz", nullptr, muon_workspace, run_muon}};
  return kTable;
}

}  // namespace convoy
