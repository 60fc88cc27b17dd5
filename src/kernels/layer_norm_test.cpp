#include "kernels/layer_norm.h"

#include <gtest/gtest.h>

#include "kernels/norm_testing.h"
#include "kernels/streaming.h"

namespace convoy::kernels {
namespace {

constexpr float kEps = 1e-6F;

struct Case {
  int64_t rows, channels;
  bool addend = false;
  float mean = 0.5F;

  int64_t size() const { return rows * channels; }
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.rows << "x" << c.channels << (c.addend ? " addend" : "") << " mean " << c.mean;
}

struct Inputs {
  explicit Inputs(const Case& c)
      : x(random_normal("x", c.size(), c.mean)),
        grad_output(random_normal("grad", c.size(), 0.25F)),
        addend(random_normal("addend", c.size())),
        weight(random_normal("weight", c.channels, 1.0F, 0.3F)),
        bias(random_normal("bias", c.channels)) {}

  std::vector<float> x, grad_output, addend, weight, bias;
};

// The definition, row by row, in double precision.
struct Reference {
  Reference(const Case& c, const Inputs& in)
      : grad_weight(static_cast<size_t>(c.channels)), grad_bias(static_cast<size_t>(c.channels)) {
    const size_t channels = static_cast<size_t>(c.channels);
    const double n = static_cast<double>(c.channels);
    for (size_t row = 0; row < in.x.size(); row += channels) {
      double sum = 0, deviations = 0, weighted = 0, products = 0;
      for (size_t k = 0; k < channels; ++k) sum += in.x[row + k];
      for (size_t k = 0; k < channels; ++k) deviations += std::pow(in.x[row + k] - sum / n, 2);
      mean.push_back(sum / n);
      inv_std.push_back(1 / std::sqrt(deviations / n + static_cast<double>(kEps)));
      const auto xhat = [&](size_t k) { return (in.x[row + k] - mean.back()) * inv_std.back(); };
      for (size_t k = 0; k < channels; ++k) {
        const double g = in.grad_output[row + k];
        output.push_back(xhat(k) * in.weight[k] + in.bias[k]);
        weighted += g * in.weight[k];
        products += g * in.weight[k] * xhat(k);
        grad_bias[k] += g;
        grad_weight[k] += g * xhat(k);
      }
      for (size_t k = 0; k < channels; ++k) {
        const double centred =
            static_cast<double>(in.grad_output[row + k]) * in.weight[k] - (weighted + xhat(k) * products) / n;
        grad_input.push_back(centred * inv_std.back() + (c.addend ? in.addend[row + k] : 0.0F));
      }
    }
  }

  std::vector<double> mean, inv_std, output, grad_input, grad_weight, grad_bias;
};

// In place on unaligned maps, or to aligned ones, which streams the large.
std::vector<std::vector<float>> run(const Case& c, const Inputs& in, bool in_place) {
  Guarded x(in.x), grad_output(in.grad_output), addend(in.addend), weight(in.weight), bias(in.bias);
  Guarded output(c.size(), Placement::aligned), grad_input(c.size(), Placement::aligned);
  Guarded mean(c.rows), inv_std(c.rows);
  Guarded grad_weight(c.channels), grad_bias(c.channels);
  Guarded workspace(layer_norm_kernels().f32.workspace(c.rows, c.channels));
  layer_norm_kernels().f32.forward(
      {c.rows, c.channels, kEps, x.data(), weight.data(), bias.data(), output.data(), mean.data(), inv_std.data()});
  float* gx = !in_place ? grad_input.data() : c.addend ? addend.data() : grad_output.data();
  layer_norm_kernels().f32.backward({c.rows, c.channels, grad_output.data(), x.data(), mean.data(), inv_std.data(),
                                     weight.data(), c.addend ? addend.data() : nullptr, gx, grad_weight.data(),
                                     grad_bias.data(), workspace.data()});
  const std::vector<float> gx_values(gx, gx + c.size());
  if (in_place) {
    layer_norm_kernels().f32.forward(
        {c.rows, c.channels, kEps, x.data(), weight.data(), bias.data(), x.data(), mean.data(), inv_std.data()});
  }
  return {mean.values(), inv_std.values(),     in_place ? x.values() : output.values(),
          gx_values,     grad_weight.values(), grad_bias.values()};
}

class LayerNorm : public ::testing::TestWithParam<Case> {};

TEST_P(LayerNorm, MatchesDoublePrecision) {
  const Case c = GetParam();
  const Inputs inputs(c);
  const Reference expected(c, inputs);
  // The input itself is known to 2^-24 of its size only.
  const double tolerance = 2e-6 * std::fmax(1.0, std::abs(c.mean) / 10);
  const double root = std::sqrt(static_cast<double>(c.rows));
  for_every_isa_and_thread_count(
      [&] {
        const auto results = run(c, inputs, false);
        EXPECT_EQ(run(c, inputs, true), results) << "in place";
        return results;
      },
      [&](const std::vector<std::vector<float>>& results) {
        expect_near(results[0], expected.mean, 1e-6, "mean");
        expect_near(results[1], expected.inv_std, 2 * tolerance, "inv_std");
        expect_near(results[2], expected.output, 2 * tolerance, "output");
        expect_near(results[3], expected.grad_input, 2 * tolerance, "grad_input");
        expect_near(results[4], expected.grad_weight, root * tolerance, "grad_weight");
        expect_near(results[5], expected.grad_bias, root * tolerance, "grad_bias");
      });
}

INSTANTIATE_TEST_SUITE_P(Cases, LayerNorm,
                         ::testing::Values(Case{1000, 64}, Case{3000, 96, true}, Case{77, 1024}, Case{1, 256},
                                           Case{2, 3, true}, Case{501, 17}, Case{130, 191, true}, Case{35, 2049},
                                           Case{50, 384, false, 1000.0F}, Case{kStreamedFloats / 96 + 1, 96},
                                           Case{kStreamedFloats / 96 + 1, 96, true}));

}  // namespace
}  // namespace convoy::kernels
