// Muon's kernel.
#include <algorithm>
#include <cmath>

#include "kernels/matmul.h"
#include "kernels/optimizer.h"
#include "ops/optimizer/optimizer.h"
#include "ops/optimizer/update.h"

namespace convoy {
namespace {

using kernels::MatmulShape;

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
    return {.batch = 1,
            .m = side,
            .n = side,
            .k = std::max(rows, columns),
            .transpose_a = !wide,
            .transpose_b = wide,
            .symmetric = true};
  }
  // Of two symmetric matrices that commute.
  MatmulShape square() const { return {.batch = 1, .m = side, .n = side, .k = side, .symmetric = true}; }
  // A Gram matrix times X where X is wide, else X times it.
  MatmulShape product() const { return {.batch = 1, .m = rows, .n = columns, .k = side}; }
};

struct Scratch {
  size_t second, gram, polynomial, product, temporary, kernels, bytes;

  explicit Scratch(const Matrix& x) {
    const size_t matrix = padded_floats(x.count()) * sizeof(float),
                 square = padded_floats(x.side * x.side) * sizeof(float);
    second = matrix;
    gram = second + matrix;
    polynomial = gram + square;
    product = polynomial + square;
    temporary = product + square;
    kernels = temporary + square;
    bytes = kernels + std::max({kernels::matmul_workspace(x.gram()), kernels::matmul_workspace(x.square()),
                                kernels::matmul_workspace(x.product()), kernels::squared_norm_workspace(x.count())});
  }
};

// Makes the singular values of `x` ones, about: an odd polynomial of x, applied again and again. Returns where the
// result is, the matrix after x in the workspace.
//
// Every iteration multiplies X with P = a I + b G + c G^2, where G is the Gram matrix of what the one before has made,
// P G P. All of these are polynomials of the first G, so that they commute, are symmetric, and need X only at the
// beginning and the end. Where singular values are spread over five decades this is within 1e-3 of double precision.
float* orthogonalize(const Matrix& matrix, float* x, std::byte* workspace) {
  const Scratch at(matrix);
  const auto place = [&](size_t offset) { return reinterpret_cast<float*>(workspace + offset); };
  float* result = place(at.second);
  float* gram = place(at.gram);
  float* polynomial = place(at.polynomial);
  float* product = place(at.product);
  float* temporary = place(at.temporary);
  std::byte* scratch = workspace + at.kernels;
  const kernels::MatmulKernels& matmul = kernels::matmul_kernels();
  const kernels::OptimizerKernels& optimizer = kernels::optimizer_kernels();
  const int64_t square = matrix.side * matrix.side;
  const double norm = std::sqrt(optimizer.squared_norm(matrix.count(), x, scratch));
  optimizer.combine(matrix.count(), static_cast<float>(1 / (norm + 1e-7)), x, 0, x, x);
  matmul.run(matrix.gram(), x, x, gram, scratch);
  for (int i = 0; i < kIterations; ++i) {
    matmul.run(matrix.square(), gram, gram, polynomial, scratch);
    optimizer.combine(square, kB, gram, kC, polynomial, polynomial);
    for (int64_t k = 0; k < matrix.side; ++k) polynomial[k * (matrix.side + 1)] += kA;
    if (i == 0) {
      optimizer.combine(square, 1, polynomial, 0, polynomial, product);
    } else {
      matmul.run(matrix.square(), product, polynomial, temporary, scratch);
      std::swap(product, temporary);
    }
    if (i + 1 == kIterations) break;
    matmul.run(matrix.square(), gram, polynomial, temporary, scratch);
    matmul.run(matrix.square(), temporary, polynomial, gram, scratch);
  }
  matmul.run(matrix.product(), matrix.wide ? product : x, matrix.wide ? x : product, result, scratch);
  return result;
}

}  // namespace

size_t newton_schulz_workspace(const NodeSpec& spec) { return Scratch(Matrix(spec.inputs[0].shape)).bytes; }

void run_newton_schulz(const NodeSpec& spec, const NodeMemory& memory) {
  const auto& op = spec.as<MuonOp>();
  const Matrix matrix(spec.inputs[0].shape);
  const float beta = momentum_now(op.muon().momentum, memory.step);
  const float share = (1 - beta) * grad_scale(spec, memory);
  float* weight = memory.variable(0);
  float* momentum = memory.variable(1);
  const float* grad = memory.input(2);
  float* x = reinterpret_cast<float*>(memory.workspace);
  const kernels::OptimizerKernels& optimizer = kernels::optimizer_kernels();
  optimizer.combine(matrix.count(), beta, momentum, share, grad, momentum);
  optimizer.combine(matrix.count(), beta, momentum, share, grad, x);
  const float* direction = orthogonalize(matrix, x, memory.workspace);
  const auto larger = static_cast<float>(std::max(matrix.rows, matrix.columns));
  optimizer.combine(matrix.count(), op.keep(memory.step), weight, -op.rate(memory.step) * 0.2F * std::sqrt(larger),
                    direction, weight);
}

}  // namespace convoy
