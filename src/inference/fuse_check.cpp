#include "inference/fuse_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "convoy/error.h"
#include "core/random.h"
#include "data/unlabelled.h"
#include "inference/arena.h"
#include "inference/inference_step.h"
#include "inference/sample_images.h"

namespace convoy {
namespace {

// Relative to a weight.
constexpr float kRounding = 0x1p-21F;
// The fused network is rounded as often as the disturbed one, and the original, too.
constexpr double kMargin = 4;
constexpr double kLeastTolerance = 1e-5;
// A network that rounding alone moves further is no evidence of anything.
constexpr double kMostTolerance = 1e-2;

// A network with its weights, ready to infer batches with exact kernels.
class Runner {
 public:
  Runner(const FusedForms& forms, bool fused, int64_t batch_size, Variables& variables)
      : step_(forms.model, with_form(forms.card.options, fused), batch_size, forms.card.preprocessing.image_size,
              variables, 0, {.exact = true}),
        arena_(make_arena(step_.arena_bytes(), fmt::format("{}: a batch size of {}", forms.model.name, batch_size))) {
    step_.bind(variables, arena_);
  }

  const float* run(std::span<const float> images) {
    std::ranges::copy(images, step_.images());
    step_.run();
    return step_.logits();
  }

 private:
  static ModelOptions with_form(ModelOptions options, bool fused) {
    options.fused = fused;
    return options;
  }

  InferenceStep step_;
  Buffer arena_;
};

// Copies the variables of `graph`, each number off by up to kRounding of itself.
void disturb(const Graph& graph, const Variables& from, Variables& into) {
  into.add(graph, std::nullopt);
  for (const auto& [name, variable] : into.all()) {
    RandomStream random(0, name);
    std::vector<float> values = from.read(name);
    for (float& x : values) x *= 1 + random.uniform(-kRounding, kRounding);
    into.write(name, values);
  }
}

double distance(float a, float b) {
  const double difference = std::abs(static_cast<double>(a) - static_cast<double>(b));
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

class Comparison {
 public:
  Comparison(const FusedForms& forms, int64_t batch_size, Variables& disturbed, FuseReport& report)
      : original_(forms, false, batch_size, forms.original),
        disturbed_(forms, false, batch_size, disturbed),
        fused_(forms, true, batch_size, forms.fused),
        classes_(forms.card.options.num_classes),
        report_(report) {}

  // The first `count` of a batch of images.
  void add(std::span<const float> images, int64_t count) {
    const float *a = original_.run(images), *b = fused_.run(images), *c = disturbed_.run(images);
    for (int64_t n = 0; n < count; ++n, a += classes_, b += classes_, c += classes_) {
      for (int64_t i = 0; i < classes_; ++i) {
        report_.largest_logit = std::max(report_.largest_logit, std::abs(static_cast<double>(a[i])));
        report_.largest_difference = std::max(report_.largest_difference, distance(a[i], b[i]));
        report_.rounding = std::max(report_.rounding, distance(a[i], c[i]));
      }
      if (std::max_element(a, a + classes_) - a != std::max_element(b, b + classes_) - b) ++report_.other_classes;
    }
    report_.images += count;
  }

 private:
  Runner original_, disturbed_, fused_;
  int64_t classes_;
  FuseReport& report_;
};

DatasetPtr open_images(const FuseOptions& options) {
  if (!options.images.empty()) return open_unlabelled(options.images);
  return options.data.empty() ? nullptr : open_dataset(options.data, Split::val);
}

}  // namespace

void compare_forms(const FusedForms& forms, const FuseOptions& options, FuseReport& report) {
  const DatasetPtr dataset = open_images(options);
  report.real_images = dataset != nullptr;
  const int64_t batch_size = dataset == nullptr ? options.batch_size : std::min(options.batch_size, dataset->size());
  Variables disturbed;
  disturb(forms.graph, forms.original, disturbed);
  Comparison comparison(forms, batch_size, disturbed, report);
  visit_samples(
      dataset, forms.card.preprocessing, batch_size, dataset == nullptr ? batch_size : options.most_images,
      [&](std::span<const float> images, int64_t count, std::span<const int>) { comparison.add(images, count); });
  const double share = report.rounding / std::max(report.largest_logit, std::numeric_limits<double>::min());
  report.tolerance = options.tolerance.value_or(std::max(kLeastTolerance, kMargin * share));
}

void check_tolerance(const std::filesystem::path& file, const FuseOptions& options, const FuseReport& report) {
  const double difference = report.relative_difference();
  if (!options.tolerance.has_value() && !(report.tolerance <= kMostTolerance)) {
    throw NumericError(
        fmt::format("{}: rounding alone moves the logits by {:.2g} of the largest, so that the fused network, whose "
                    "logits differ by "
                    "up to {:.2g}, cannot be judged; compare on images that it was trained for, or set a tolerance",
                    file.string(), report.tolerance / kMargin, difference));
  }
  if (difference <= report.tolerance) return;
  throw NumericError(fmt::format(
      "{}: the fused network's logits differ by up to {:.2g} of the largest, more than the tolerance of {:.2g}",
      file.string(), difference, report.tolerance));
}

}  // namespace convoy
