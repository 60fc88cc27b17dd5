#include "convoy/fuse.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "convoy/error.h"
#include "core/random.h"
#include "data/loader.h"
#include "data/unlabelled.h"
#include "graph/work.h"
#include "plan/reparameterise.h"
#include "train/arena.h"
#include "train/benchmark.h"
#include "train/model_file.h"
#include "train/step.h"

namespace convoy {
namespace {

FuseReport::Form form_of(const Graph& graph) {
  FuseReport::Form form;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (info.kind == ValueKind::parameter) form.parameters += info.type.shape.elements();
    if (info.kind == ValueKind::state) form.statistics += info.type.shape.elements();
  }
  form.multiply_adds = multiply_adds(graph);
  form.layers = static_cast<int64_t>(graph.nodes().size());
  return form;
}

// A network with its weights, ready to infer batches.
class Runner {
 public:
  Runner(const Model& model, const ModelCard& card, bool fused, int64_t batch_size, Variables& variables)
      : step_(model, with_form(card.options, fused), batch_size, card.preprocessing.image_size, false, variables, 0),
        arena_(make_arena(step_.arena_bytes(), fmt::format("{}: a batch size of {}", model.name, batch_size))) {
    step_.bind(variables, arena_);
  }

  static ModelOptions with_form(ModelOptions options, bool fused) {
    options.fused = fused;
    return options;
  }

  const float* run(std::span<const float> images) {
    std::ranges::copy(images, step_.images());
    step_.run();
    return step_.logits();
  }

 private:
  InferenceStep step_;
  Buffer arena_;
};

class Comparison {
 public:
  Comparison(Runner& before, Runner& after, int64_t classes, FuseReport& report)
      : before_(before), after_(after), classes_(classes), report_(report) {}

  // The first `count` of a batch of images.
  void add(std::span<const float> images, int64_t count) {
    const float *a = before_.run(images), *b = after_.run(images);
    for (int64_t n = 0; n < count; ++n, a += classes_, b += classes_) {
      for (int64_t c = 0; c < classes_; ++c) {
        report_.largest_logit = std::max(report_.largest_logit, std::abs(static_cast<double>(a[c])));
        const double difference = std::abs(static_cast<double>(a[c]) - static_cast<double>(b[c]));
        report_.largest_difference = std::max(
            report_.largest_difference, std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference);
      }
      if (std::max_element(a, a + classes_) - a != std::max_element(b, b + classes_) - b) ++report_.other_classes;
    }
    report_.images += count;
  }

 private:
  Runner &before_, &after_;
  int64_t classes_;
  FuseReport& report_;
};

DatasetPtr open_images(const FuseOptions& options) {
  if (!options.images.empty()) return open_unlabelled(options.images);
  return options.data.empty() ? nullptr : open_dataset(options.data, Split::val);
}

void compare(const ModelCard& card, const FuseOptions& options, const DatasetPtr& dataset, int64_t batch_size,
             Comparison& comparison) {
  const int64_t side = card.preprocessing.image_size;
  const auto floats = static_cast<size_t>(batch_size * side * side * 3);
  if (dataset == nullptr) {
    std::vector<float> pixels(floats);
    RandomStream random(0, "fuse");
    std::ranges::generate(pixels, [&] { return random.uniform(-1.7F, 1.7F); });
    comparison.add(pixels, batch_size);
    return;
  }
  LoaderOptions loader_options;
  loader_options.batch_size = batch_size;
  loader_options.preprocessing = card.preprocessing;
  // From all over the dataset: in its own order they may be of one class.
  loader_options.shuffle = true;
  loader_options.cache_bytes = 0;
  loader_options.end_epoch = 1;
  Loader loader(dataset, loader_options);
  const int64_t wanted = std::min(options.most_images, dataset->size());
  for (int64_t done = 0; done < wanted; done += batch_size) {
    const Batch& batch = loader.next();
    comparison.add({batch.images.floats(), floats}, std::min(batch.size, wanted - done));
  }
}

double speed_of(const Model& model, const ModelCard& card, bool fused, int64_t batch_size) {
  BenchmarkOptions benchmark;
  benchmark.step.model = &model;
  benchmark.step.model_options = Runner::with_form(card.options, fused);
  benchmark.step.batch_size = batch_size;
  benchmark.step.image_size = card.preprocessing.image_size;
  return run_benchmark(benchmark).median_img_per_s;
}

void check_tolerance(const std::filesystem::path& file, const FuseReport& report, double tolerance) {
  const double difference = report.relative_difference();
  if (difference <= tolerance) return;
  throw Error(fmt::format(
      "{}: the fused network's logits differ by up to {:.2g} of the largest, more than the tolerance of {:g}",
      file.string(), difference, tolerance));
}

}  // namespace

void fuse_model(const std::filesystem::path& model_file, const FuseOptions& options,
                const std::filesystem::path& output, FuseReport* report) {
  FuseReport own;
  FuseReport& result = report != nullptr ? *report : own;
  const SafetensorsReader file(model_file);
  ModelCard card = read_model_card(file);
  const Graph graph = graph_of(card, model_file);
  const Model& model = find_model(card.architecture);
  if (card.options.fused) throw Error(fmt::format("{}: is fused already", model_file.string()));
  const Reparameterised fused = reparameterise(graph);
  if (fused.convolutions.empty()) {
    throw Error(fmt::format("{}: {} has no norms or parallel branches that a convolution could take in",
                            model_file.string(), model.name));
  }
  result.before = form_of(graph);
  result.after = form_of(fused.graph);
  result.convolutions = static_cast<int64_t>(fused.convolutions.size());
  for (const auto& [rule, count] : fused.rewrites) result.rewrites[std::string(rule)] = count;

  Variables original, single;
  read_weights(file, graph, original);
  single.add(fused.graph, 0);
  fuse_weights(fused, original, single);
  const DatasetPtr dataset = open_images(options);
  result.real_images = dataset != nullptr;
  const int64_t batch_size = dataset == nullptr ? options.batch_size : std::min(options.batch_size, dataset->size());
  Runner before(model, card, false, batch_size, original), after(model, card, true, batch_size, single);
  Comparison comparison(before, after, card.options.num_classes, result);
  compare(card, options, dataset, batch_size, comparison);
  check_tolerance(model_file, result, options.tolerance);
  if (options.measure) {
    result.before.img_per_s = speed_of(model, card, false, options.batch_size);
    result.after.img_per_s = speed_of(model, card, true, options.batch_size);
  }
  card.options.fused = true;
  write_model_file(output, card, fused.graph, "", single);
}

}  // namespace convoy
