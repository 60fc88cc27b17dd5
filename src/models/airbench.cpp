// airbench94 (Jordan, "94% on CIFAR-10 in 3.29 seconds", arXiv 2404.00498): three groups of two 3x3 convolutions behind
// a whitening layer. Batch norms have no scale, the logits are scaled by 1/9, and the convolutions start as the
// identity with further random filters. 1.97 million parameters.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "convoy/model.h"

namespace convoy {
namespace {

constexpr int64_t kPatch = 2;                      // side of the whitened patches
constexpr int kPatchValues = 3 * kPatch * kPatch;  // in a patch, and as many principal directions
constexpr double kWhitenEps = 5e-4;
constexpr int64_t kWidths[] = {64, 256, 256};
constexpr float kLogitScale = 1.0F / 9;

using Matrix = std::array<std::array<double, kPatchValues>, kPatchValues>;

Value gelu(Value x) { return activation(x, Activation::gelu); }

Value conv3x3(Builder b, Value x, int64_t channels) {
  const float bound = 1.0F / std::sqrt(static_cast<float>(9 * x.channels()));
  return conv2d(
      b, x,
      {.out_channels = channels, .kernel = 3, .padding = 1, .bias = false, .weight_start = Initializer::dirac(bound)});
}

Value norm(Builder b, Value x) { return batch_norm(b, x, {.eps = 1e-12F, .momentum = 0.4F, .weight_trained = false}); }

Value group(Builder b, Value x, int64_t channels) {
  x = max_pool(conv3x3(b / "conv1", x, channels), {.kernel = 2, .stride = 2});
  x = gelu(norm(b / "norm1", x));
  return gelu(norm(b / "norm2", conv3x3(b / "conv2", x, channels)));
}

Value airbench94(Builder b, Value x, const ModelOptions& options) {
  x = gelu(conv2d(b / "whiten", x,
                  {.out_channels = 2 * kPatchValues,
                   .kernel = kPatch,
                   .bias_start = Initializer::constant(0),
                   .weight_trained = false}));
  int index = 1;
  for (const int64_t width : kWidths) x = group(b / "layers" / index++, x, width);
  x = flatten(max_pool(x, {.kernel = 3, .stride = 3}));
  return scale(linear(b / "head", x, {.out_features = options.num_classes, .bias = false, .head = true}), kLogitScale);
}

// The mean of p p^T over all patches p of the images; the values of a patch in the order {row, column, channel}.
Matrix second_moments(const FirstImages& images) {
  const int64_t height = images.shape[1], width = images.shape[2];
  Matrix sums{};
  int64_t patches = 0;
  for (int64_t n = 0; n < images.shape[0]; ++n) {
    for (int64_t y = 0; y + kPatch <= height; ++y) {
      for (int64_t x = 0; x + kPatch <= width; ++x, ++patches) {
        std::array<double, kPatchValues> patch;
        for (size_t i = 0; i < kPatchValues; ++i) {
          const auto row = static_cast<int64_t>(i) / (3 * kPatch), rest = static_cast<int64_t>(i) % (3 * kPatch);
          patch[i] = images.pixels[static_cast<size_t>(((n * height + y + row) * width + x) * 3 + rest)];
        }
        for (size_t i = 0; i < kPatchValues; ++i) {
          for (size_t j = 0; j < kPatchValues; ++j) sums[i][j] += patch[i] * patch[j];
        }
      }
    }
  }
  for (auto& row : sums) {
    for (double& sum : row) sum /= static_cast<double>(patches);
  }
  return sums;
}

// Cyclic Jacobi rotations (Golub and Van Loan, Matrix Computations, 8.5): turns the symmetric `a` into the diagonal
// matrix of its eigenvalues and returns the eigenvectors as columns.
Matrix diagonalize(Matrix& a) {
  Matrix vectors{};
  for (size_t i = 0; i < kPatchValues; ++i) vectors[i][i] = 1;
  constexpr int kSweeps = 12;  // convergence is quadratic; 12 columns take about six
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (size_t p = 0; p + 1 < kPatchValues; ++p) {
      for (size_t q = p + 1; q < kPatchValues; ++q) {
        if (a[p][q] == 0) continue;
        const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const double t = std::copysign(1 / (std::abs(theta) + std::hypot(theta, 1)), theta);
        const double c = 1 / std::hypot(t, 1), s = c * t;
        const auto rotate = [c, s](double& x, double& y) {
          const double old = x;
          x = c * x - s * y;
          y = s * old + c * y;
        };
        for (size_t k = 0; k < kPatchValues; ++k) rotate(a[k][p], a[k][q]);
        for (size_t k = 0; k < kPatchValues; ++k) rotate(a[p][k], a[q][k]);
        for (size_t k = 0; k < kPatchValues; ++k) rotate(vectors[k][p], vectors[k][q]);
      }
    }
  }
  return vectors;
}

// Filters whose outputs on the images' patches are uncorrelated and of about unit variance, the largest variance first,
// and the same filters negated.
void whiten(const FirstImages& images) {
  Matrix variances = second_moments(images);
  const Matrix vectors = diagonalize(variances);
  std::array<size_t, kPatchValues> order;
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return variances[a][a] > variances[b][b]; });
  const std::span<float> weight = images.weight("whiten.weight");
  for (size_t filter = 0; filter < kPatchValues; ++filter) {
    const size_t direction = order[filter];
    const double factor = 1 / std::sqrt(variances[direction][direction] + kWhitenEps);
    for (size_t i = 0; i < kPatchValues; ++i) {
      const auto value = static_cast<float>(vectors[i][direction] * factor);
      weight[i * 2 * kPatchValues + filter] = value;
      weight[i * 2 * kPatchValues + kPatchValues + filter] = -value;
    }
  }
}

}  // namespace

std::vector<Model> airbench_models() {
  return {{.name = "airbench94",
           .description = "Keller Jordan's CIFAR-10 speed-run network (2024)",
           .image_size = 32,
           .num_classes = 10,
           .activation = Activation::gelu,
           .build = airbench94,
           .start_from_images = whiten}};
}

}  // namespace convoy
