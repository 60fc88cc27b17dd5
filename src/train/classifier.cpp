#include "convoy/classifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "convoy/error.h"
#include "core/finite.h"
#include "core/parallel.h"
#include "core/text.h"
#include "data/loader.h"
#include "data/unlabelled.h"
#include "train/arena.h"
#include "train/evaluation.h"
#include "train/evaluation_data.h"
#include "train/model_file.h"

namespace convoy {

struct Classifier::Parts {
  std::filesystem::path path;
  ClassifierOptions options;
  ModelCard card;
  Variables variables;
  // What `step` is planned for.
  int64_t batch_size = 0;
  int threads = 0;
  std::unique_ptr<InferenceStep> step;
  Buffer arena;

  int64_t classes() const { return card.options.num_classes; }

  void plan(int64_t batch) {
    if (batch == batch_size && thread_count() == threads) return;
    step.reset();
    batch_size = 0;
    auto next = std::make_unique<InferenceStep>(find_model(card.architecture), card.options, batch,
                                                card.preprocessing.image_size, false, variables, 0);
    arena = Buffer();
    arena = make_arena(next->arena_bytes(), fmt::format("{}: a batch size of {}", path.string(), batch));
    next->bind(variables, arena);
    step = std::move(next);
    batch_size = batch;
    threads = thread_count();
  }

  // Plans for batches of at most `images`, and loads them from `dataset`.
  std::unique_ptr<Loader> prepare(DatasetPtr dataset, OnBadImage on_bad_image) {
    const int64_t batch = std::min(options.batch_size, dataset->size());
    plan(batch);
    LoaderOptions loader_options;
    loader_options.batch_size = batch;
    loader_options.preprocessing = card.preprocessing;
    loader_options.on_bad_image = on_bad_image;
    loader_options.workers = static_cast<int>(options.workers);
    loader_options.cache_bytes = 0;
    loader_options.end_epoch = 1;
    return std::make_unique<Loader>(std::move(dataset), loader_options);
  }
};

Classifier::Classifier(const std::filesystem::path& model_file, const ClassifierOptions& options)
    : parts_(std::make_unique<Parts>()) {
  const SafetensorsReader file(model_file);
  parts_->path = model_file;
  parts_->options = options;
  parts_->card = read_model_card(file);
  if (options.threads > 0) set_thread_count(static_cast<int>(options.threads));
  if (options.tta == Tta::hflip_shift && image_size() < 2) {
    throw UsageError(fmt::format("tta: images of one pixel, as {} has them, cannot be shifted", model_file.string()));
  }
  read_weights(file, graph_of(parts_->card, model_file), parts_->variables);
}

Classifier::~Classifier() = default;
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;

const std::string& Classifier::architecture() const { return parts_->card.architecture; }
int64_t Classifier::image_size() const { return parts_->card.preprocessing.image_size; }
const std::vector<std::string>& Classifier::class_names() const { return parts_->card.class_names; }
const std::map<std::string, double>& Classifier::metrics() const { return parts_->card.metrics; }

namespace {

std::vector<Prediction> predictions_of(std::span<const float> logits, int k,
                                       const std::vector<std::string>& class_names) {
  std::vector<Prediction> result;
  const std::vector<double> probabilities = softmax_of(logits);
  for (const int label : top_classes(logits, k)) {
    const auto index = static_cast<size_t>(label);
    result.push_back({class_names[index], label, probabilities[index]});
  }
  return result;
}

// Throws Error for an image whose outputs are not finite: its weights are, but sums of them overflow.
void check_outputs(std::span<const float> logits, const std::string& image, const std::filesystem::path& model_file) {
  if (first_not_finite(logits)) {
    throw Error(
        fmt::format("{}: the network's outputs for {} are not finite numbers; its weights are too large, or a "
                    "running variance is negative",
                    model_file.string(), image));
  }
}

// Why the loader could not read the image of that name.
std::string reason_for(const std::string& image, const std::vector<std::string>& bad_images) {
  for (const std::string& reason : bad_images) {
    if (reason.starts_with(image + ":")) return reason;
  }
  return image + ": cannot be read";
}

// The model's number of every class of the dataset, matched by name.
std::vector<int> match_classes(const Dataset& dataset, const std::filesystem::path& data,
                               const std::vector<std::string>& names, const std::filesystem::path& model_file) {
  std::vector<int> numbers;
  for (const std::string& name : dataset.class_names()) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      throw Error(fmt::format("{}: {}, which {} does not know", data.string(), unknown_name("class", name, names),
                              model_file.string()));
    }
    numbers.push_back(static_cast<int>(found - names.begin()));
  }
  return numbers;
}

}  // namespace

void Classifier::predict(const std::vector<std::filesystem::path>& paths, int k,
                         const std::function<void(const ImagePredictions&)>& each) {
  if (k < 1) throw UsageError(fmt::format("k: expected at least 1 class, got {}", k));
  const DatasetPtr images = open_unlabelled(paths);
  const auto loader = parts_->prepare(images, OnBadImage::leave_out);
  const int64_t classes = parts_->classes();
  int64_t next = 0;  // the first image that `each` has not heard of
  const auto tell = [&](std::string error, std::vector<Prediction> found) {
    each({.image = images->name(next),
          .error = std::move(error),
          .classes = std::move(found),
          .read_file = [images, index = next] { return *images->encoded(index); }});
    ++next;
  };
  const auto tell_bad_until = [&](int64_t end) {
    while (next < end) tell(reason_for(images->name(next), loader->bad_images()), {});
  };
  const auto width = static_cast<size_t>(classes);
  infer_epoch(*parts_->step, *loader, classes, parts_->options.tta,
              [&](const Batch& batch, std::span<const float> logits) {
                for (size_t i = 0; i < static_cast<size_t>(batch.size); ++i) {
                  tell_bad_until(batch.indices[i]);
                  const std::span<const float> outputs = logits.subspan(i * width, width);
                  check_outputs(outputs, images->name(next), parts_->path);
                  tell("", predictions_of(outputs, k, parts_->card.class_names));
                }
                return true;
              });
  tell_bad_until(images->size());
}

std::vector<ImagePredictions> Classifier::predict(const std::vector<std::filesystem::path>& paths, int k) {
  std::vector<ImagePredictions> results;
  predict(paths, k, [&](const ImagePredictions& result) { results.push_back(result); });
  return results;
}

EvaluationReport Classifier::evaluate(const std::filesystem::path& data, const EvaluationOptions& options,
                                      const std::function<void(const ValidationStepReport&)>& on_step) {
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  const std::optional<TrainingRecord>& record = parts_->card.training;
  const EvaluationData chosen = open_evaluation_data(
      data, options.part, record, parts_->path, options.skip_bad ? BadFolder::problem : BadFolder::error_unless_empty);
  const DatasetPtr& dataset = chosen.images;
  const std::vector<std::string>& names = parts_->card.class_names;
  const std::vector<int> class_of = match_classes(*dataset, chosen.source, names, parts_->path);
  const auto loader = parts_->prepare(dataset, options.skip_bad ? OnBadImage::leave_out : OnBadImage::error);
  ClassificationSums sums;
  std::vector<ImageOutcome> outcomes;
  int64_t step = 0;
  const auto visit = [&](const Batch& batch, std::span<const float> logits) {
    const auto width = static_cast<size_t>(parts_->classes());
    for (size_t i = 0; i < static_cast<size_t>(batch.size); ++i) {
      check_outputs(logits.subspan(i * width, width), dataset->name(batch.indices[i]), parts_->path);
    }
    std::vector<int> labels;
    for (const int label : labels_of(batch)) labels.push_back(class_of[static_cast<size_t>(label)]);
    add_batch(logits, labels, sums);
    append_outcomes(batch, logits, *dataset, labels, outcomes);
    if (record) mark_trained_on(batch, *dataset, record->contents, outcomes);
    ++step;
    if (on_step) {
      on_step({.epoch = 0,
               .step = step,
               .steps = loader->steps_per_epoch(),
               .so_far = evaluation_of(sums),
               .seconds = seconds(),
               .reader_seconds = loader->wait_seconds()});
    }
    return true;
  };
  infer_epoch(*parts_->step, *loader, parts_->classes(), parts_->options.tta, visit);
  if (outcomes.empty()) {
    throw Error(fmt::format("{}: none of the {} images can be read", chosen.source.string(), dataset->size()));
  }
  EvaluationReport report = make_evaluation_report(names, std::move(outcomes), record && record->knows_all());
  report.evaluated = chosen.description;
  report.warnings = chosen.warnings;
  report.skipped = loader->bad_images();
  report.damaged = loader->damaged_images();
  report.seconds = seconds();
  return report;
}

}  // namespace convoy
