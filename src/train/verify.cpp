#include "train/verify.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "formats/golden.h"
#include "train/golden_step.h"

namespace convoy {
namespace {

using Kind = Golden::Kind;

// A gradient smaller than this share of all gradients together is held against that share instead of itself: biases
// that only feed a batch norm have a gradient of zero up to rounding.
constexpr double kGradientFloor = 1e-2;
// What storing an updated weight in fp32 costs at most, relative to the weight.
constexpr double kStorageError = 5e-7;

// float32's error is known from the worst of a few trials, in the file of all gradients together; it may be larger.
constexpr double kMargin = 5;
double tolerance_for(double float32_error) { return std::max(1e-5, kMargin * float32_error); }

// Trials of the engine, where the file's do not explain what it finds.
constexpr uint64_t kTrials = 4;

template <class Expected>
double l2_distance(std::span<const float> values, const Expected& expected) {
  double squares = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = static_cast<double>(values[i]) - static_cast<double>(expected[i]);
    squares += difference * difference;
  }
  return std::sqrt(squares);
}

template <class Expected>
double relative_distance(std::span<const float> values, const Expected& expected) {
  double squares = 0;
  for (const double value : expected) squares += value * value;
  return l2_distance(values, expected) / std::sqrt(squares);
}

// The L2 distance of two tensors of `elements` as far as their digests tell: by their norms, sums and samples.
double digest_distance(const Digest& a, const Digest& b, size_t elements) {
  const auto n = static_cast<double>(elements);
  double squares = 0;
  for (size_t k = 0; k < Digest::kSamples; ++k) squares += std::pow(a.samples[k] - b.samples[k], 2);
  // Added, since a maximum would drop a NaN.
  return std::sqrt(std::pow(a.norm - b.norm, 2) + std::pow(a.sum - b.sum, 2) / n + squares * n / Digest::kSamples);
}

// How far a step on the engine is from its golden file.
class Comparison {
 public:
  Comparison(const Golden& golden, GoldenStep& step)
      : golden_(golden), step_(step), gradient_rounding_(golden.parameters().size(), golden.float32_error().grad) {
    double squares = 0;
    for (size_t i = 0; i < golden.parameters().size(); ++i) {
      squares += std::pow(golden.expected_digest(Kind::grad, i).norm, 2);
    }
    all_gradients_ = std::sqrt(squares);
  }

  // Where the file's trials do not explain what is found, the engine's own do, or it is wrong: a ReLU that rounding may
  // flip shows in some trials only, and not in the same ones on another machine.
  std::vector<VerifyLine> lines() {
    std::vector<VerifyLine> lines = compare();
    if (std::ranges::all_of(lines, &VerifyLine::passed)) return lines;
    measure_rounding();
    return compare();
  }

 private:
  std::vector<VerifyLine> compare() {
    const double forward = tolerance_for(forward_rounding_);
    step_.begin();
    step_.train();
    std::vector<VerifyLine> lines;
    lines.push_back({"logits", "", relative_distance(step_.logits(), golden_.logits()), forward});
    lines.push_back({"loss", "", std::abs(step_.loss() - golden_.loss()) / std::abs(golden_.loss()), forward});
    lines.push_back(worst_gradient());
    lines.push_back(worst_parameter());
    if (!golden_.buffers().empty()) lines.push_back(worst_buffer(forward));
    lines.push_back(inferred_logits(std::max(forward, tolerance_for(std::ranges::max(gradient_rounding_)))));
    return lines;
  }

  // What disturbances of rounding's size do to the engine's own step.
  void measure_rounding() {
    step_.begin();
    step_.train();
    const std::vector<float> logits(step_.logits().begin(), step_.logits().end());
    std::vector<std::vector<float>> gradients;
    for (const std::string& name : golden_.parameters()) gradients.push_back(step_.gradient(name));
    for (uint64_t trial = 1; trial <= kTrials; ++trial) {
      step_.begin(trial);
      step_.train();
      forward_rounding_ = std::max(forward_rounding_, relative_distance(step_.logits(), logits));
      for (size_t i = 0; i < gradients.size(); ++i) {
        const std::vector<float> gradient = step_.gradient(golden_.parameters()[i]);
        gradient_rounding_[i] =
            std::max(gradient_rounding_[i], l2_distance(gradient, gradients[i]) / gradient_scale(i));
      }
    }
  }

  // The update carries the error of the gradients into these. Running statistics that are far from the batch's, as
  // after one step they are, can make a deep network chaotic: it is held to what a rounding of its images does to it.
  VerifyLine inferred_logits(double tolerance) {
    const std::vector<float> logits = step_.infer();
    const double chaos = relative_distance(step_.infer(1), logits);
    return {"after/logits", "", relative_distance(logits, golden_.after_logits()),
            std::max(tolerance, kMargin * chaos)};
  }

  double gradient_scale(size_t i) const {
    return std::max(golden_.expected_digest(Kind::grad, i).norm, kGradientFloor * all_gradients_);
  }

  double distance(Kind kind, size_t i, const std::vector<float>& values) const {
    if (!golden_.compact()) return l2_distance(values, golden_.expected(kind, i));
    return digest_distance(digest(values), golden_.expected_digest(kind, i), values.size());
  }

  VerifyLine worst_gradient() const {
    VerifyLine worst{"grad", "", 0, 0};
    for (size_t i = 0; i < golden_.parameters().size(); ++i) {
      const std::string& name = golden_.parameters()[i];
      keep_worse(worst, {"grad", name, distance(Kind::grad, i, step_.gradient(name)) / gradient_scale(i),
                         tolerance_for(gradient_rounding_[i])});
    }
    return worst;
  }

  // A weight may be off by its own rounding and by what the step size lets through of the gradient's error.
  VerifyLine worst_parameter() const {
    VerifyLine worst{"after/param", "", 0, kStorageError};
    for (size_t i = 0; i < golden_.parameters().size(); ++i) {
      const std::string& name = golden_.parameters()[i];
      const double norm = golden_.expected_digest(Kind::after_parameter, i).norm;
      const double tolerance = kStorageError + golden_.step().learning_rate * tolerance_for(gradient_rounding_[i]) *
                                                   gradient_scale(i) / norm;
      keep_worse(worst,
                 {"after/param", name, distance(Kind::after_parameter, i, step_.variable(name)) / norm, tolerance});
    }
    return worst;
  }

  VerifyLine worst_buffer(double tolerance) const {
    VerifyLine worst{"after/buffer", "", 0, tolerance};
    for (size_t i = 0; i < golden_.buffers().size(); ++i) {
      const std::string& name = golden_.buffers()[i];
      const double norm = golden_.expected_digest(Kind::after_buffer, i).norm;
      keep_worse(worst,
                 {"after/buffer", name, distance(Kind::after_buffer, i, step_.variable(name)) / norm, tolerance});
    }
    return worst;
  }

  // Keeps the line whose error is larger in units of its tolerance; NaN counts as larger than everything.
  static void keep_worse(VerifyLine& worst, VerifyLine line) {
    const auto badness = [](const VerifyLine& l) {
      return std::isfinite(l.error) ? l.error / l.tolerance : std::numeric_limits<double>::infinity();
    };
    if (worst.tensor.empty() || badness(line) > badness(worst)) worst = std::move(line);
  }

  const Golden& golden_;
  GoldenStep& step_;
  double all_gradients_ = 0;
  double forward_rounding_ = golden_.float32_error().logits;
  std::vector<double> gradient_rounding_;  // of each parameter
};

}  // namespace

bool VerifyReport::passed() const {
  return std::all_of(lines.begin(), lines.end(), [](const VerifyLine& line) { return line.passed(); });
}

VerifyReport verify_golden(const std::filesystem::path& path, const Backend& backend) {
  const Golden golden(path);
  GoldenStep step(golden, backend);
  return {golden.model(), Comparison(golden, step).lines()};
}

}  // namespace convoy
