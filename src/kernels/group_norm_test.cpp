#include "kernels/group_norm.h"

#include <gtest/gtest.h>

#include "kernels/norm_testing.h"
#include "kernels/streaming.h"

namespace convoy::kernels {
namespace {

constexpr float kEps = 1e-5F;

struct Case {
  GroupNormShape shape;
  float mean = 0.5F;
  bool addend = false;

  int64_t size() const { return shape.samples * shape.pixels * shape.channels; }
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.shape.samples << "x" << c.shape.pixels << "x" << c.shape.channels << " in " << c.shape.groups
       << " groups, mean " << c.mean << (c.addend ? " addend" : "");
}

struct Inputs {
  explicit Inputs(const Case& c)
      : x(random_normal("x", c.size(), c.mean)),
        grad_output(random_normal("grad", c.size(), 0.25F)),
        addend(random_normal("addend", c.size())),
        weight(random_normal("weight", c.shape.channels, 1.0F, 0.3F)),
        bias(random_normal("bias", c.shape.channels)) {}

  std::vector<float> x, grad_output, addend, weight, bias;
};

// The definition, group by group, in double precision.
struct Reference {
  Reference(const Case& c, const Inputs& in)
      : output(in.x.size()), grad_input(in.x.size()), grad_weight(in.weight.size()), grad_bias(in.weight.size()) {
    const int64_t group_channels = c.shape.channels / c.shape.groups;
    const double n = static_cast<double>(group_channels * c.shape.pixels);
    for (int64_t block = 0; block < c.shape.samples * c.shape.groups; ++block) {
      const int64_t sample = block / c.shape.groups, first = block % c.shape.groups * group_channels;
      // Calls body(index of the value, channel) for the values of the group.
      const auto each = [&](const auto& body) {
        for (int64_t p = 0; p < c.shape.pixels; ++p) {
          for (int64_t k = first; k < first + group_channels; ++k) {
            body(static_cast<size_t>((sample * c.shape.pixels + p) * c.shape.channels + k), static_cast<size_t>(k));
          }
        }
      };
      double sum = 0, deviations = 0, weighted = 0, products = 0;
      each([&](size_t i, size_t) { sum += in.x[i]; });
      each([&](size_t i, size_t) { deviations += std::pow(in.x[i] - sum / n, 2); });
      mean.push_back(sum / n);
      inv_std.push_back(1 / std::sqrt(deviations / n + static_cast<double>(kEps)));
      const auto xhat = [&](size_t i) { return (in.x[i] - mean.back()) * inv_std.back(); };
      each([&](size_t i, size_t k) {
        const double g = in.grad_output[i];
        output[i] = xhat(i) * in.weight[k] + in.bias[k];
        weighted += g * in.weight[k];
        products += g * in.weight[k] * xhat(i);
        grad_bias[k] += g;
        grad_weight[k] += g * xhat(i);
      });
      each([&](size_t i, size_t k) {
        const double centred =
            static_cast<double>(in.grad_output[i]) * in.weight[k] - (weighted + xhat(i) * products) / n;
        grad_input[i] = centred * inv_std.back() + (c.addend ? in.addend[i] : 0.0F);
      });
    }
  }

  std::vector<double> mean, inv_std, output, grad_input, grad_weight, grad_bias;
};

// In place on unaligned maps, or to aligned ones, which streams the large.
std::vector<std::vector<float>> run(const Case& c, const Inputs& in, bool in_place) {
  const int64_t groups = c.shape.samples * c.shape.groups;
  Guarded x(in.x), grad_output(in.grad_output), addend(in.addend), weight(in.weight), bias(in.bias);
  Guarded output(c.size(), Placement::aligned), grad_input(c.size(), Placement::aligned);
  Guarded mean(groups), inv_std(groups);
  Guarded grad_weight(c.shape.channels), grad_bias(c.shape.channels);
  Guarded workspace(group_norm_kernels().workspace(c.shape));
  group_norm_kernels().forward({c.shape, kEps, x.data(), weight.data(), bias.data(), output.data(), mean.data(),
                                inv_std.data(), workspace.data()});
  Guarded<>& gx = !in_place ? grad_input : c.addend ? addend : grad_output;
  group_norm_kernels().backward({c.shape, grad_output.data(), x.data(), mean.data(), inv_std.data(), weight.data(),
                                 c.addend ? addend.data() : nullptr, gx.data(), grad_weight.data(), grad_bias.data(),
                                 workspace.data()});
  if (in_place) {
    group_norm_kernels().forward(
        {c.shape, kEps, x.data(), weight.data(), bias.data(), x.data(), mean.data(), inv_std.data(), workspace.data()});
  }
  return {mean.values(), inv_std.values(),     in_place ? x.values() : output.values(),
          gx.values(),   grad_weight.values(), grad_bias.values()};
}

class GroupNorm : public ::testing::TestWithParam<Case> {};

TEST_P(GroupNorm, MatchesDoublePrecision) {
  const Case c = GetParam();
  const Inputs inputs(c);
  const Reference expected(c, inputs);
  // The input itself is known to 2^-24 of its size only.
  const double tolerance = 2e-6 * std::fmax(1.0, std::abs(c.mean) / 10);
  const double root = std::sqrt(static_cast<double>(c.shape.samples * c.shape.pixels));
  for_every_isa_and_thread_count(
      [&] {
        const auto results = run(c, inputs, false);
        EXPECT_EQ(run(c, inputs, true), results) << "in place";
        return results;
      },
      [&](const std::vector<std::vector<float>>& results) {
        expect_near(results[0], expected.mean, 1e-6, "mean");
        expect_near(results[1], expected.inv_std, tolerance, "inv_std");
        expect_near(results[2], expected.output, 2 * tolerance, "output");
        expect_near(results[3], expected.grad_input, 2 * tolerance, "grad_input");
        expect_near(results[4], expected.grad_weight, root * tolerance, "grad_weight");
        expect_near(results[5], expected.grad_bias, root * tolerance, "grad_bias");
      });
}

// The last three are streamed: samples larger than a cache and in several tiles, small ones, and, where registers are
// wide, samples that do not begin at whole registers, which must not be.
INSTANTIATE_TEST_SUITE_P(Cases, GroupNorm,
                         ::testing::Values(Case{{3, 64, 64, 1}}, Case{{5, 49, 96, 32}, 0.5F, true},
                                           Case{{2, 200, 24, 3}}, Case{{4, 1, 512, 1}}, Case{{3, 7, 5, 5}},
                                           Case{{2, 400, 40, 2}, 1000.0F},
                                           Case{{2, kStreamedFloats / (2 * 64) + 1, 64, 4}},
                                           Case{{kStreamedFloats / (50 * 64) + 1, 50, 64, 4}, 0.5F, true},
                                           Case{{kStreamedFloats / (225 * 24) + 1, 225, 24, 3}}));

}  // namespace
}  // namespace convoy::kernels
