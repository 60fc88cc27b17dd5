#include "convoy/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <set>

namespace convoy {
namespace {

int64_t right_answers(const RunSummary& run) {
  return std::llround(run.best()->val_top1 * static_cast<double>(run.val_images));
}

// A class name of `run`, by which outcomes of two runs are matched even where their classes are numbered differently.
const std::string& true_class(const RunSummary& run, const ImageOutcome& outcome) {
  return run.class_names[static_cast<size_t>(outcome.label)];
}

bool same_images(const RunSummary& a, const RunSummary& b) {
  return std::ranges::equal(a.outcomes, b.outcomes, [&](const auto& x, const auto& y) {
    return true_class(a, x) == true_class(b, y) &&
           std::filesystem::path(x.image).filename() == std::filesystem::path(y.image).filename();
  });
}

// A class that only one of the runs has; empty: they have the same.
std::string differing_class(const RunSummary& a, const RunSummary& b) {
  const std::set<std::string> of_a(a.class_names.begin(), a.class_names.end());
  const std::set<std::string> of_b(b.class_names.begin(), b.class_names.end());
  std::vector<std::string> differing;
  std::ranges::set_symmetric_difference(of_a, of_b, std::back_inserter(differing));
  return differing.empty() ? "" : differing.front();
}

// The two-sided exact test of McNemar (1947): of the images that only one of the two got right, either has half by
// chance.
double mcnemar_p(const std::vector<ImageOutcome>& a, const std::vector<ImageOutcome>& b) {
  int64_t only_a = 0;
  int64_t only_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    only_a += a[i].correct() && !b[i].correct() ? 1 : 0;
    only_b += b[i].correct() && !a[i].correct() ? 1 : 0;
  }
  const auto n = static_cast<double>(only_a + only_b);
  const int64_t fewer = std::min(only_a, only_b);
  double tail = 0;
  for (int64_t i = 0; i <= fewer; ++i) {
    const auto k = static_cast<double>(i);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::numbers::ln2);
  }
  return std::min(1.0, 2 * tail);
}

double two_proportion_p(int64_t right_a, int64_t images_a, int64_t right_b, int64_t images_b) {
  const auto n_a = static_cast<double>(images_a);
  const auto n_b = static_cast<double>(images_b);
  const double pooled = static_cast<double>(right_a + right_b) / (n_a + n_b);
  const double deviation = std::sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b));
  if (!(deviation > 0)) return 1;
  const double z = (static_cast<double>(right_a) / n_a - static_cast<double>(right_b) / n_b) / deviation;
  return std::erfc(std::abs(z) / std::numbers::sqrt2);
}

}  // namespace

Interval wilson_interval(int64_t successes, int64_t trials) {
  if (trials <= 0) return {};
  constexpr double kZ = 1.959963984540054;  // the normal distribution's 97.5 % quantile
  const auto n = static_cast<double>(trials);
  const double share = static_cast<double>(successes) / n;
  const double middle = share + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

std::string incomparable(const RunSummary& a, const RunSummary& b) {
  const std::string both = fmt::format("{} and {}", a.folder.filename().string(), b.folder.filename().string());
  if (const std::string name = differing_class(a, b); !name.empty()) {
    return fmt::format("{} have different classes, such as '{}'", both, name);
  }
  if (a.val_images <= 0 || b.val_images <= 0) return "";
  if (a.val_images != b.val_images) {
    return fmt::format("{} were validated on different images, {} and {}", both, a.val_images, b.val_images);
  }
  const bool known = !a.outcomes.empty() && !b.outcomes.empty();
  return known && !same_images(a, b) ? both + " were validated on different images" : "";
}

std::optional<Significance> compare_accuracy(const RunSummary& a, const RunSummary& b) {
  if (a.best() == nullptr || b.best() == nullptr || a.val_images <= 0 || b.val_images <= 0) return std::nullopt;
  if (!incomparable(a, b).empty()) return std::nullopt;
  if (!a.outcomes.empty() && !b.outcomes.empty()) {
    return Significance{.test = Significance::Test::mcnemar, .p = mcnemar_p(a.outcomes, b.outcomes)};
  }
  return Significance{.test = Significance::Test::two_proportion,
                      .p = two_proportion_p(right_answers(a), a.val_images, right_answers(b), b.val_images)};
}

}  // namespace convoy
