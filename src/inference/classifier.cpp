#include "convoy/classifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <utility>

#include "convoy/error.h"
#include "core/finite.h"
#include "core/parallel.h"
#include "core/text.h"
#include "data/loader.h"
#include "data/unlabelled.h"
#include "inference/arena.h"
#include "inference/evaluation.h"
#include "inference/evaluation_data.h"
#include "inference/model_file.h"
#include "inference/pixels.h"
#include "plan/reparameterise.h"

namespace convoy {

struct Classifier::Parts {
  explicit Parts(const std::filesystem::path& model_file) : path(model_file), file(model_file) {}

  std::filesystem::path path;
  SafetensorsReader file;
  WeightSource weights;  // of `variables`, which have no values but through it
  ClassifierOptions options;
  ModelCard card;
  Variables variables;
  // What `step` is planned for.
  int64_t batch_size = 0;
  std::unique_ptr<InferenceStep> step;
  Buffer arena;
  ThreadTeamPtr team;
  std::mutex in_use;  // by a call

  int64_t classes() const { return card.options.num_classes; }

  void plan(int64_t batch) {
    if (batch == batch_size) return;
    step.reset();
    batch_size = 0;
    auto next = std::make_unique<InferenceStep>(
        model_of(card), card.options, batch, card.preprocessing.image_size, variables, 0,
        InferenceOptions{.exact = options.exact, .precision = options.precision, .prepared = true});
    arena = Buffer();
    arena = make_arena(next->arena_bytes(), fmt::format("{}: a batch size of {}", path.string(), batch));
    next->bind(variables, arena);
    next->prepare(weights);
    step = std::move(next);
    batch_size = batch;
  }

  // Finds the weights of the network, whose graph this is. Norms and parallel branches become part of convolutions.
  void find_weights(const Graph& graph) {
    weights = weights_in(file, graph);
    const auto fused = std::make_shared<const Reparameterised>(reparameterise(graph));
    const bool fuses = !card.options.fused && !fused->convolutions.empty();
    variables.add(fuses ? fused->graph : graph, std::nullopt);
    if (!fuses) return;
    weights = fused_weights(fused, std::move(weights));
    card.options.fused = true;
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
    : parts_(std::make_unique<Parts>(model_file)) {
  parts_->options = options;
  parts_->card = read_model_card(parts_->file);
  parts_->team = team_of(options.threads);
  const TeamScope scope(*parts_->team);
  if (options.tta == Tta::hflip_shift && image_size() < 2) {
    throw UsageError(fmt::format("tta: images of one pixel, as {} has them, cannot be shifted", model_file.string()));
  }
  parts_->find_weights(graph_of(parts_->card, model_file));
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

bool is_set(const std::atomic<bool>* stop) { return stop != nullptr && *stop; }

void check_classes(int k) {
  if (k < 1) throw UsageError(fmt::format("k: expected at least 1 class, got {}", k));
}

// Throws Error for an image whose outputs are not finite: its weights are, but sums of them overflow.
void check_outputs(std::span<const float> logits, const std::string& image, const std::filesystem::path& model_file) {
  if (first_not_finite(logits)) {
    throw NumericError(
        fmt::format("{}: the network's outputs for {} are not finite numbers; its weights are too large, or a "
                    "running variance is negative",
                    model_file.string(), image));
  }
}

// The message about the image of that name among a loader's, in which names are printable; empty where there is none.
std::string message_about(const std::string& image, const std::vector<std::string>& messages) {
  const auto is_about = [begin = printable(image) + ":"](const auto& text) {
    return printable(text).starts_with(begin);
  };
  const auto found = std::ranges::find_if(messages, is_about);
  return found == messages.end() ? "" : *found;
}

}  // namespace

void Classifier::predict(const std::vector<std::filesystem::path>& paths, int k,
                         const std::function<void(const ImagePredictions&)>& each, const std::atomic<bool>* stop) {
  check_classes(k);
  const std::scoped_lock lock(parts_->in_use);
  const TeamScope scope(*parts_->team);
  const DatasetPtr images = open_unlabelled(paths);
  const auto loader = parts_->prepare(images, OnBadImage::skip);
  const int64_t classes = parts_->classes();
  int64_t next = 0;  // the first image that `each` has not heard of
  const auto tell = [&](std::string error, std::string damage, std::vector<Prediction> found) {
    each({.image = images->name(next),
          .error = std::move(error),
          .damage = std::move(damage),
          .classes = std::move(found),
          .read_file = [images, index = next] { return *images->encoded(index); }});
    ++next;
  };
  const auto tell_bad_until = [&](int64_t end) {
    if (next == end) return;
    const std::vector<std::string> bad = loader->bad_images();
    while (next < end) tell(message_about(images->name(next), bad), "", {});
  };
  const auto width = static_cast<size_t>(classes);
  const bool all = infer_epoch(
      *parts_->step, *loader, classes, parts_->options.tta, [&](const Batch& batch, std::span<const float> logits) {
        const std::vector<std::string> damaged = loader->damaged_images();
        for (size_t i = 0; i < static_cast<size_t>(batch.size); ++i) {
          tell_bad_until(batch.indices[i]);
          const std::span<const float> outputs = logits.subspan(i * width, width);
          check_outputs(outputs, images->name(next), parts_->path);
          tell("", message_about(images->name(next), damaged), predictions_of(outputs, k, parts_->card.class_names));
        }
        return !is_set(stop);
      });
  if (all) tell_bad_until(images->size());
}

std::vector<ImagePredictions> Classifier::predict(const std::vector<std::filesystem::path>& paths, int k) {
  std::vector<ImagePredictions> results;
  predict(paths, k, [&](const ImagePredictions& result) { results.push_back(result); });
  return results;
}

std::vector<float> Classifier::logits(std::span<const Pixels> images) {
  const std::scoped_lock lock(parts_->in_use);
  const TeamScope scope(*parts_->team);
  std::vector<float> all, some;
  if (images.empty()) return all;
  const Normalizer normalize(parts_->card.preprocessing);
  const size_t most = std::min(static_cast<size_t>(parts_->options.batch_size), images.size());
  parts_->plan(static_cast<int64_t>(most));
  const size_t floats = static_cast<size_t>(image_size() * image_size()) * Image::kChannels;
  Buffer input(most * floats * sizeof(float));
  for (size_t first = 0; first < images.size(); first += most) {
    const std::span<const Pixels> batch = images.subspan(first, std::min(most, images.size() - first));
    for (size_t i = 0; i < batch.size(); ++i) {
      const Image image = to_image(batch[i]);
      normalize(prepare(image.view(), parts_->card.preprocessing), input.floats() + i * floats);
    }
    infer_images(*parts_->step, input.floats(), static_cast<int64_t>(batch.size()), parts_->classes(),
                 parts_->options.tta, some);
    check_outputs(some, "pixels", parts_->path);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::vector<std::vector<Prediction>> Classifier::classify(std::span<const Pixels> images, int k) {
  check_classes(k);
  const std::vector<float> outputs = logits(images);
  const auto classes = static_cast<size_t>(parts_->classes());
  std::vector<std::vector<Prediction>> all;
  for (size_t i = 0; i < images.size(); ++i) {
    all.push_back(predictions_of(std::span(outputs).subspan(i * classes, classes), k, class_names()));
  }
  return all;
}

std::vector<Prediction> Classifier::classify(const Pixels& image, int k) {
  return classify(std::span(&image, 1), k).front();
}

std::vector<Prediction> Classifier::classify_file(std::span<const uint8_t> file, int k) {
  const Image image = decode_image(file, "image");
  return classify(Pixels{.bytes = {image.row(0), image.bytes()}, .width = image.width(), .height = image.height()}, k);
}

EvaluationReport Classifier::evaluate(const std::filesystem::path& data, const EvaluationOptions& options,
                                      const std::function<void(const ValidationStepReport&)>& on_step) {
  const std::scoped_lock lock(parts_->in_use);
  const TeamScope scope(*parts_->team);
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  const std::optional<TrainingRecord>& record = parts_->card.training;
  const bool skip = options.on_bad_image == OnBadImage::skip;
  const EvaluationData chosen = open_evaluation_data(data, options.part, record, parts_->path,
                                                     skip ? BadFolder::problem : BadFolder::error_unless_empty);
  const DatasetPtr& dataset = chosen.images;
  const std::vector<std::string>& names = parts_->card.class_names;
  const std::vector<int> class_of = class_numbers(*dataset, chosen.source, names, parts_->path);
  const auto loader = parts_->prepare(dataset, options.on_bad_image);
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
    return !is_set(options.stop);
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
