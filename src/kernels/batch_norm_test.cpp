#include "kernels/batch_norm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/norm_testing.h"
#include "kernels/streaming.h"

namespace convoy::kernels {
namespace {

constexpr float kEps = 1e-5F;
constexpr float kMomentum = 0.1F;

struct Case {
  int64_t pixels, channels;
  Activation activation = Activation::none;
  bool residual = false;
  bool frozen = false;
  float mean = 0.5F;
  float std = 1.5F;
  bool addend = false;

  int64_t size() const { return pixels * channels; }
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.pixels << "x" << c.channels << " " << to_string(c.activation) << (c.residual ? " residual" : "")
       << (c.frozen ? " frozen" : "") << (c.addend ? " addend" : "") << " mean " << c.mean;
}

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::relu: return std::fmax(x, 0.0);
    case Activation::relu6: return std::fmin(std::fmax(x, 0.0), 6.0);
    case Activation::silu: return x / (1 + std::exp(-x));
    default: return x;
  }
}

double slope(Activation activation, double x) {
  const double sigmoid = 1 / (1 + std::exp(-x));
  switch (activation) {
    case Activation::relu: return x > 0;
    case Activation::relu6: return x > 0 && x < 6;
    case Activation::silu: return sigmoid * (1 + x * (1 - sigmoid));
    default: return 1;
  }
}

struct Inputs {
  explicit Inputs(const Case& c)
      : x(random_normal("x", c.size(), c.mean, c.std)),
        residual(random_normal("residual", c.size())),
        grad_output(random_normal("grad", c.size(), 0.25F)),
        addend(random_normal("addend", c.size())),
        weight(random_normal("weight", c.channels, 1.0F, 0.3F)),
        bias(random_normal("bias", c.channels)),
        running_mean(random_normal("running_mean", c.channels, c.mean, 0.2F)),
        running_var(random_normal("running_var", c.channels, 3.0F, 0.2F)) {}

  std::vector<float> x, residual, grad_output, addend, weight, bias, running_mean, running_var;
};

// The definition in double precision; also silences grad_output next to the activations' kinks, where the last bit of
// the pre-activation decides.
struct Reference {
  Reference(const Case& c, Inputs& in) {
    const size_t channels = static_cast<size_t>(c.channels), size = in.x.size();
    const double n = static_cast<double>(c.pixels);
    std::vector<double> var(channels), sum(channels), products(channels), g(size);
    mean.assign(channels, 0), inv_std.assign(channels, 0);
    running_mean.assign(in.running_mean.begin(), in.running_mean.end());
    running_var.assign(in.running_var.begin(), in.running_var.end());
    if (c.frozen) {
      mean = running_mean, var = running_var;
    } else {
      for (size_t i = 0; i < size; ++i) mean[i % channels] += in.x[i] / n;
      for (size_t i = 0; i < size; ++i) var[i % channels] += std::pow(in.x[i] - mean[i % channels], 2) / n;
      for (size_t k = 0; k < channels; ++k) {
        running_mean[k] += kMomentum * (mean[k] - running_mean[k]);
        running_var[k] += kMomentum * (var[k] * n / std::fmax(n - 1, 1) - running_var[k]);
      }
    }
    for (size_t k = 0; k < channels; ++k) inv_std[k] = 1 / std::sqrt(var[k] + static_cast<double>(kEps));
    for (size_t i = 0; i < size; ++i) {
      const size_t k = i % channels;
      const double xhat = (in.x[i] - mean[k]) * inv_std[k];
      const double pre = xhat * in.weight[k] + in.bias[k] + (c.residual ? in.residual[i] : 0.0F);
      if (std::abs(pre) < 1e-3 || std::abs(pre - 6) < 1e-3) in.grad_output[i] = 0;
      output.push_back(activate(c.activation, pre));
      g[i] = in.grad_output[i] * slope(c.activation, pre);
      sum[k] += g[i];
      products[k] += g[i] * xhat;
    }
    for (size_t i = 0; i < size; ++i) {
      const size_t k = i % channels;
      const double xhat = (in.x[i] - mean[k]) * inv_std[k];
      const double through_statistics = c.frozen ? 0.0 : (sum[k] + xhat * products[k]) / n;
      grad_input.push_back(in.weight[k] * inv_std[k] * (g[i] - through_statistics) + (c.addend ? in.addend[i] : 0.0F));
    }
    grad_weight = products, grad_bias = sum, grad_residual = g;
  }

  std::vector<double> mean, inv_std, running_mean, running_var, output;
  std::vector<double> grad_input, grad_residual, grad_weight, grad_bias;
};

// Forward and backward; in place on unaligned maps wherever the kernels allow it, or to aligned ones, which streams the
// large.
std::vector<std::vector<float>> run(const Case& c, const Inputs& in, bool in_place) {
  const BatchNormKernels<float>& kernels = batch_norm_kernels().f32;
  Guarded x(in.x), residual(in.residual), grad_output(in.grad_output), addend(in.addend);
  Guarded weight(in.weight), bias(in.bias);
  Guarded running_mean(in.running_mean), running_var(in.running_var), mean(c.channels), inv_std(c.channels);
  Guarded workspace(kernels.workspace(c.pixels, c.channels));
  const int64_t tile_pixels = norm_tile_pixels(c.channels);
  Guarded partials((c.pixels + tile_pixels - 1) / tile_pixels * 2 * c.channels);
  if (c.frozen) {
    kernels.frozen_statistics(c.channels, kEps, running_mean.data(), running_var.data(), mean.data(), inv_std.data());
  } else {
    kernels.statistics({c.pixels, c.channels, x.data(), partials.data(), workspace.data()});
    kernels.merge({c.pixels, c.channels, partials.data(), tile_pixels, kEps, kMomentum, mean.data(), inv_std.data(),
                   running_mean.data(), running_var.data()});
  }

  Guarded output(c.size(), Placement::aligned), grad_input(c.size(), Placement::aligned), grad_residual(c.size());
  Guarded grad_weight(c.channels), grad_bias(c.channels);
  const bool from_output = c.activation == Activation::relu || c.activation == Activation::relu6;
  float* y = in_place && c.residual && from_output ? residual.data() : output.data();
  kernels.forward({c.pixels, c.channels, c.activation, x.data(), c.residual ? residual.data() : nullptr, mean.data(),
                   inv_std.data(), weight.data(), bias.data(), y, workspace.data()});
  const bool writes_g = c.residual && c.activation != Activation::none;
  float* saved = !writes_g ? nullptr : from_output ? y : residual.data();
  float* g = in_place ? grad_output.data() : grad_residual.data();
  float* gx = grad_input.data();
  if (in_place && c.addend) gx = addend.data();
  if (in_place && !c.addend && !writes_g) gx = grad_output.data();
  kernels.backward({c.pixels, c.channels, c.activation, c.frozen, grad_output.data(), x.data(), saved, mean.data(),
                    inv_std.data(), weight.data(), bias.data(), c.addend ? addend.data() : nullptr, gx,
                    writes_g ? g : nullptr, grad_weight.data(), grad_bias.data(), workspace.data()});
  EXPECT_EQ(x.values(), in.x);

  const auto copy = [&](const float* values) { return std::vector<float>(values, values + c.size()); };
  std::vector<std::vector<float>> results = {mean.values(),        inv_std.values(),  running_mean.values(),
                                             running_var.values(), copy(y),           copy(gx),
                                             grad_weight.values(), grad_bias.values()};
  if (writes_g) results.push_back(copy(g));
  if (in_place && !c.residual) {
    kernels.forward({c.pixels, c.channels, c.activation, x.data(), nullptr, mean.data(), inv_std.data(), weight.data(),
                     bias.data(), x.data(), workspace.data()});
    EXPECT_EQ(x.values(), results[4]);
  }
  return results;
}

class BatchNorm : public ::testing::TestWithParam<Case> {};

TEST_P(BatchNorm, MatchesDoublePrecision) {
  const Case c = GetParam();
  Inputs inputs(c);
  const Reference expected(c, inputs);
  // The input itself is known to 2^-24 of its size only.
  const double tolerance = 2e-6 * std::fmax(1.0, std::abs(c.mean) / c.std);
  const double root = std::sqrt(static_cast<double>(c.pixels));
  for_every_isa_and_thread_count(
      [&] {
        const auto results = run(c, inputs, false);
        EXPECT_EQ(run(c, inputs, true), results) << "in place";
        return results;
      },
      [&](const std::vector<std::vector<float>>& results) {
        expect_near(results[0], expected.mean, 1e-6, "mean");
        expect_near(results[1], expected.inv_std, 3e-6, "inv_std");
        expect_near(results[2], expected.running_mean, 1e-6, "running_mean");
        expect_near(results[3], expected.running_var, 3e-6, "running_var");
        expect_near(results[4], expected.output, 2 * tolerance, "output");
        expect_near(results[5], expected.grad_input, 2 * tolerance, "grad_input");
        expect_near(results[6], expected.grad_weight, root * tolerance, "grad_weight");
        expect_near(results[7], expected.grad_bias, root * tolerance, "grad_bias");
        if (results.size() > 8) expect_near(results[8], expected.grad_residual, 1e-6, "grad_residual");
      });
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BatchNorm,
    ::testing::Values(Case{1000, 64}, Case{1000, 64, Activation::relu}, Case{777, 3, Activation::relu6},
                      Case{5000, 16, Activation::silu}, Case{1303, 24, Activation::relu}, Case{5, 24},
                      Case{2, 1, Activation::relu}, Case{391, 17, Activation::relu6}, Case{97, 130, Activation::relu},
                      Case{49, 2048, Activation::relu, true}, Case{700, 100, Activation::relu, true},
                      Case{333, 24, Activation::relu6, true}, Case{333, 256, Activation::none, true},
                      Case{4, 512, Activation::relu}, Case{1000, 65, Activation::relu, false, true},
                      Case{200, 48, Activation::relu, true, true}, Case{20000, 8, Activation::none, false, true},
                      Case{333, 24, Activation::silu, true}, Case{70, 256, Activation::relu, true, false, 0, 1, true},
                      Case{300, 24, Activation::silu, false, false, 0, 1, true},
                      Case{3000, 32, Activation::none, false, false, 1000.0F, 1.0F},
                      Case{9000, 3, Activation::none, false, false, -1000.0F, 1.0F},
                      Case{kStreamedFloats / 48 + 1, 48, Activation::relu},
                      Case{kStreamedFloats / 48 + 1, 48, Activation::relu, true, false, 0, 1, true}));

// A constant channel has variance zero exactly, whatever the constant.
TEST(BatchNormStatistics, ConstantChannelsHaveNoVariance) {
  for_every_isa_and_thread_count(
      [&] {
        const Case c = {501, 5};
        Guarded x(std::vector<float>(static_cast<size_t>(c.size()), 12345.678F)), mean(5), inv_std(5);
        Guarded partials(2 * 5), workspace(batch_norm_kernels().f32.workspace(c.pixels, c.channels));
        batch_norm_kernels().f32.statistics({c.pixels, c.channels, x.data(), partials.data(), workspace.data()});
        batch_norm_kernels().f32.merge({c.pixels, c.channels, partials.data(), norm_tile_pixels(5), 1e-5F, 0.1F,
                                        mean.data(), inv_std.data(), nullptr, nullptr});
        return std::vector{mean.values(), inv_std.values()};
      },
      [&](const std::vector<std::vector<float>>& results) {
        expect_near(results[0], std::vector<double>(5, 12345.678), 1e-7, "mean");
        expect_near(results[1], std::vector<double>(5, 1 / std::sqrt(1e-5)), 1e-6, "inv_std");
      });
}

// Statistics that a convolution produced come in tiles of its own.
TEST(BatchNormStatistics, MergesTilesOfAnySize) {
  constexpr int64_t kPixels = 100, kChannels = 40, kTilePixels = 48;
  const std::vector<float> x = random_normal("x", kPixels * kChannels, 3.0F);
  std::vector<float> partials(3 * 2 * kChannels);
  std::vector<double> mean(kChannels), inv_std(kChannels);
  for (int64_t k = 0; k < kChannels; ++k) {
    const auto at = [&](int64_t pixel) { return static_cast<double>(x[static_cast<size_t>(pixel * kChannels + k)]); };
    const auto moments = [&](int64_t first, int64_t last) {
      double sum = 0, deviations = 0;
      for (int64_t p = first; p < last; ++p) sum += at(p);
      for (int64_t p = first; p < last; ++p) deviations += std::pow(at(p) - sum / static_cast<double>(last - first), 2);
      return std::pair(sum, deviations);
    };
    for (int64_t tile = 0; tile < 3; ++tile) {
      const auto [sum, deviations] = moments(tile * kTilePixels, std::min((tile + 1) * kTilePixels, kPixels));
      partials[static_cast<size_t>(tile * 2 * kChannels + k)] = static_cast<float>(sum);
      partials[static_cast<size_t>((tile * 2 + 1) * kChannels + k)] = static_cast<float>(deviations);
    }
    const auto [sum, deviations] = moments(0, kPixels);
    mean[static_cast<size_t>(k)] = sum / kPixels;
    inv_std[static_cast<size_t>(k)] = 1 / std::sqrt(deviations / kPixels + 1e-5);
  }
  for_every_isa_and_thread_count(
      [&] {
        Guarded in(partials), out_mean(kChannels), out_inv_std(kChannels);
        batch_norm_kernels().f32.merge({kPixels, kChannels, in.data(), kTilePixels, 1e-5F, 0.1F, out_mean.data(),
                                        out_inv_std.data(), nullptr, nullptr});
        return std::vector{out_mean.values(), out_inv_std.values()};
      },
      [&](const std::vector<std::vector<float>>& results) {
        expect_near(results[0], mean, 1e-6, "mean");
        expect_near(results[1], inv_std, 1e-6, "inv_std");
      });
}

}  // namespace
}  // namespace convoy::kernels
