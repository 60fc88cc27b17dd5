#include "convoy/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "convoy/error.h"
#include "core/parallel.h"
#include "inference/arena.h"
#include "inference/evaluation_data.h"
#include "inference/layer_points.h"
#include "inference/metrics.h"
#include "inference/model_file.h"
#include "inference/onnx_file.h"
#include "inference/quantized_values.h"
#include "inference/sample_images.h"
#include "plan/maps.h"
#include "plan/network_graph.h"
#include "plan/passes.h"
#include "plan/program.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// What every layer makes of so many images is in memory at once.
constexpr int64_t kBatchSize = 4;

// A trained network as its file has it.
struct StoredNetwork {
  fs::path path;
  ModelCard card;  // of an ONNX model that Convoy did not write without class names
  Variables variables;
  bool tells_preprocessing = true;

  int64_t image_size() const { return card.preprocessing.image_size; }
  int64_t classes() const { return card.options.num_classes; }
};

StoredNetwork open_onnx(const fs::path& path, std::optional<int64_t> image_size) {
  OnnxFile file = read_onnx_file(path, path.filename().string(), image_size);
  StoredNetwork network{path, file.card.value_or(ModelCard{}), std::move(file.variables), file.card.has_value()};
  network.card.network = std::move(file.network);
  network.card.options = {.num_classes = network.card.network->num_classes};
  network.card.preprocessing.image_size = static_cast<int>(network.card.network->image_size);
  network.card.class_names = std::move(file.class_names);
  return network;
}

StoredNetwork open_network(const fs::path& path, std::optional<int64_t> image_size = {}) {
  if (is_onnx_file(path)) return open_onnx(path, image_size);
  const SafetensorsReader file(path);
  StoredNetwork network{path, read_model_card(file), Variables()};
  read_weights(file, graph_of(network.card, path), network.variables);
  return network;
}

using Networks = std::array<StoredNetwork, 2>;

Networks open_networks(const fs::path& a, const fs::path& b) {
  StoredNetwork first = open_network(a);
  StoredNetwork second = open_network(b, first.image_size());
  // That which leaves the size open may also be the first.
  if (first.image_size() != second.image_size()) first = open_network(a, second.image_size());
  if (first.image_size() != second.image_size()) {
    throw Error(fmt::format("{} takes images of {} pixels, {} of {}; expected networks that take the same images",
                            a.string(), first.image_size(), b.string(), second.image_size()));
  }
  if (first.classes() != second.classes()) {
    throw Error(fmt::format("{} has {} classes, {} {}; expected networks of the same classes", a.string(),
                            first.classes(), b.string(), second.classes()));
  }
  return {std::move(first), std::move(second)};
}

// Of what a layer makes, by the type of its weight, or of its maps where these are of less precision.
double tolerance_of(DType precision) {
  if (precision == DType::f32) return 1e-4;
  if (precision == DType::i8) return 0.5;
  if (precision == DType::bf16) return 0.1;
  throw Error(fmt::format("no tolerance is known for layers of {}", to_string(precision)));
}

double tolerance_of(const std::vector<LayerPoint>& layers, DType maps) {
  double largest = tolerance_of(maps);
  for (const LayerPoint& layer : layers) largest = std::max(largest, tolerance_of(layer.weight.dtype));
  return largest;
}

// A network ready to infer batches, of which what each layer makes can be read.
class Probe {
 public:
  Probe(const StoredNetwork& network, int64_t batch_size, Precision precision)
      : network_(network), batch_size_(batch_size), maps_(map_type(precision)) {
    const int64_t side = network.image_size();
    Graph graph =
        inference_graph(model_of(network.card), network.card.options, {batch_size, side, side, Image::kChannels});
    layers_ = layer_points(graph);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const auto maker = std::ranges::find_if(
          graph.nodes(), [&](const Node& node) { return std::ranges::count(node.outputs, layers_[i].value) > 0; });
      layers_[i].value = layer_output(graph, *maker);
    }
    // What is read of them does not make them other maps than they are without.
    const std::vector<bool> is_map = maps_of(graph);
    ProgramOptions options{.exact = true, .prepared = true, .maps = maps_};
    for (size_t i = 0; i < layers_.size(); ++i) {
      graph.set_output(layer_name(i), layers_[i].value);
      if (is_map[static_cast<size_t>(layers_[i].value)]) options.handed.push_back(layers_[i].value);
    }
    run_passes(graph, forward_passes());
    program_ = std::make_unique<Program>(std::move(graph), options);
  }

  const std::vector<LayerPoint>& layers() const { return layers_; }
  size_t arena_bytes() const { return program_->arena_bytes(); }

  void bind() {
    arena_ = Buffer(arena_bytes());
    program_->bind(network_.variables, arena_);
    program_->prepare();
  }

  void run(std::span<const float> images) const {
    std::ranges::copy(images, program_->data("images"));
    program_->run({});
  }

  double tolerance() const { return tolerance_of(layers_, maps_); }

  // Of the first `count` images of the last run: where they are, or in `scratch`.
  std::span<const float> layer(size_t index, int64_t count, std::vector<float>& scratch) const {
    const ValueId id = layers_[index].value;
    if (program_->stored_as(id) == DType::f32) return values(id, program_->data(id), count);
    scratch = program_->read(layer_name(index));
    return values(id, scratch.data(), count);
  }
  std::span<const float> logits(int64_t count) const {
    const ValueId id = program_->graph().output("logits");
    return values(id, program_->data(id), count);
  }

 private:
  static std::string layer_name(size_t index) { return fmt::format("layer {}", index); }
  std::span<const float> values(ValueId id, const float* data, int64_t count) const {
    const int64_t elements = program_->graph().value(id).type.shape.elements();
    return {data, static_cast<size_t>(elements / batch_size_ * count)};
  }

  const StoredNetwork& network_;
  int64_t batch_size_;
  DType maps_;
  std::vector<LayerPoint> layers_;
  std::unique_ptr<Program> program_;
  Buffer arena_;
};

// The factors that make each channel of `b` most like that of `a`, by least squares; 1 where none does.
std::vector<double> channel_factors(std::span<const float> a, std::span<const float> b, size_t channels) {
  std::vector<double> products(channels), squares(channels), factors(channels, 1);
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    products[i % channels] += x * y;
    squares[i % channels] += y * y;
  }
  for (size_t c = 0; c < channels; ++c) {
    if (products[c] > 0) factors[c] = products[c] / squares[c];
  }
  return factors;
}

// How far apart two tensors are.
struct Distance {
  double largest_difference = 0;
  double largest_magnitude = 0;       // of the first
  std::vector<double> factors = {1};  // of the second's channels

  void add(std::span<const float> a, std::span<const float> b) {
    for (size_t i = 0; i < a.size(); ++i) {
      const double x = a[i], difference = std::abs(x - factors[i % factors.size()] * static_cast<double>(b[i]));
      if (!(difference <= largest_difference)) {
        largest_difference = std::isfinite(difference) ? difference : std::numeric_limits<double>::infinity();
      }
      largest_magnitude = std::max(largest_magnitude, std::abs(x));
    }
  }
  double relative() const {
    const bool divides = std::isfinite(largest_difference) && largest_difference > 0;
    return divides ? largest_difference / largest_magnitude : largest_difference;
  }
};

class Comparison {
 public:
  Comparison(const Networks& networks, int64_t batch_size, Precision precision)
      : a_(networks[0], batch_size, Precision::fp32),
        b_(networks[1], batch_size, precision),
        pairs_(match_layers(a_.layers(), b_.layers())),
        distances_(pairs_.size()) {
    require_memory(a_.arena_bytes() + b_.arena_bytes(),
                   fmt::format("comparing {} and {} on {} images at once", networks[0].path.string(),
                               networks[1].path.string(), batch_size),
                   [](size_t) { return "limit the comparison to a single image"; });
    a_.bind();
    b_.bind();
  }

  // The first `count` of a batch of images, and the numbers of their classes, where they are known.
  void add(std::span<const float> images, int64_t count, std::span<const int> labels) {
    a_.run(images);
    b_.run(images);
    parallel_for(std::ssize(pairs_), [&](int64_t task, int) {
      const auto i = static_cast<size_t>(task);
      const LayerPoint &point_a = a_.layers()[pairs_[i].a], &point_b = b_.layers()[pairs_[i].b];
      std::vector<float> scratch_a, scratch_b;
      const std::span<const float> layer_a = a_.layer(pairs_[i].a, count, scratch_a);
      const std::span<const float> layer_b = b_.layer(pairs_[i].b, count, scratch_b);
      const bool may_be_equalised = point_a.weight.dtype != point_b.weight.dtype;
      if (images_ == 0 && may_be_equalised) {
        distances_[i].factors =
            channel_factors(layer_a, layer_b, static_cast<size_t>(point_a.weight.shape.extents().back()));
      }
      distances_[i].add(layer_a, layer_b);
    });
    const std::span<const float> a = a_.logits(count), b = b_.logits(count);
    logits_.add(a, b);
    const size_t classes = a.size() / static_cast<size_t>(count);
    for (size_t first = 0; first < a.size(); first += classes) {
      same_class_ += top_classes(a.subspan(first, classes), 1) == top_classes(b.subspan(first, classes), 1) ? 1 : 0;
    }
    images_ += count;
    if (labels.empty()) return;
    add_batch(a, labels, sums_a_);
    add_batch(b, labels, sums_b_);
  }

  void fill(AgreementReport& report) const {
    const double tolerance = std::max(a_.tolerance(), b_.tolerance());
    std::vector<bool> paired_a(a_.layers().size()), paired_b(b_.layers().size());
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const auto [a, b, by_order] = pairs_[i];
      paired_a[a] = paired_b[b] = true;
      report.by_order += by_order ? 1 : 0;
      report.layers.push_back({a_.layers()[a].layer, b_.layers()[b].layer, distances_[i].relative(), tolerance});
    }
    report.only_in_a = unpaired(a_, paired_a);
    report.only_in_b = unpaired(b_, paired_b);
    report.logits = {"logits", "logits", logits_.relative(), tolerance};
    report.images = images_;
    report.same_class = same_class_;
    if (sums_a_.samples == 0) return;
    report.top1_a = sums_a_.top1_share();
    report.top1_b = sums_b_.top1_share();
  }

 private:
  static std::vector<std::string> unpaired(const Probe& probe, const std::vector<bool>& paired) {
    std::vector<std::string> names;
    for (size_t i = 0; i < paired.size(); ++i) {
      if (!paired[i]) names.push_back(probe.layers()[i].layer);
    }
    return names;
  }

  Probe a_, b_;
  std::vector<LayerPair> pairs_;
  std::vector<Distance> distances_;  // of the pairs
  Distance logits_;
  int64_t images_ = 0, same_class_ = 0;
  ClassificationSums sums_a_, sums_b_;
};

// Of the first network that says how its images are prepared.
Preprocessing preprocessing_of(const Networks& networks) {
  return networks[networks[0].tells_preprocessing || !networks[1].tells_preprocessing ? 0 : 1].card.preprocessing;
}

// What of the two files differs beside their numbers.
void warn_of_differences(const Networks& networks, AgreementReport& report) {
  const auto& [a, b] = networks;
  if (a.tells_preprocessing && b.tells_preprocessing && a.card.preprocessing != b.card.preprocessing) {
    report.warnings.push_back(fmt::format("{} and {} prepare images differently; both get them as the former does",
                                          a.path.string(), b.path.string()));
  }
  const auto &names_a = a.card.class_names, &names_b = b.card.class_names;
  if (!names_a.empty() && !names_b.empty() && names_a != names_b) {
    report.warnings.push_back(fmt::format("the classes of {} and {} have different names; they are compared by number",
                                          a.path.string(), b.path.string()));
  }
}

// The data's classes as the networks number them; empty, with a warning, where they do not know one.
std::vector<int> known_classes(const Networks& networks, const EvaluationData& data, AgreementReport& report) {
  const StoredNetwork& network = networks[networks[0].card.class_names.empty() ? 1 : 0];
  try {
    return class_numbers(*data.images, data.source, network.card.class_names, network.path);
  } catch (const Error& error) {
    report.warnings.push_back(fmt::format("{}; which answers are right is not told", error.what()));
    return {};
  }
}

}  // namespace

const LayerAgreement* AgreementReport::first_departure() const {
  const auto found = std::ranges::find_if(layers, [](const LayerAgreement& layer) { return !layer.agrees(); });
  if (found != layers.end()) return &*found;
  return logits.agrees() ? nullptr : &logits;
}

AgreementReport measure_agreement(const fs::path& a, const fs::path& b, const AgreementOptions& options) {
  if (options.most_images < 1) {
    throw UsageError(fmt::format("most_images: expected at least 1, got {}", options.most_images));
  }
  const Networks networks = open_networks(a, b);
  AgreementReport report;
  warn_of_differences(networks, report);
  DatasetPtr images;
  std::vector<int> class_of;
  int64_t batch_size = std::min(kBatchSize, options.most_images);
  if (!options.data.empty()) {
    const auto& record = networks[networks[0].card.training ? 0 : 1].card.training;
    const EvaluationData data = open_evaluation_data(options.data, EvaluationPart::held_out, record, a);
    images = data.images;
    batch_size = std::min(batch_size, images->size());
    report.evaluated = data.description;
    report.warnings.insert(report.warnings.end(), data.warnings.begin(), data.warnings.end());
    class_of = known_classes(networks, data, report);
  }
  Comparison comparison(networks, batch_size, options.precision);
  visit_samples(images, preprocessing_of(networks), batch_size, options.most_images,
                [&](std::span<const float> pixels, int64_t count, std::span<const int> labels) {
                  std::vector<int> numbers;
                  for (const int label : class_of.empty() ? std::span<const int>() : labels) {
                    numbers.push_back(class_of[static_cast<size_t>(label)]);
                  }
                  comparison.add(pixels, count, numbers);
                });
  comparison.fill(report);
  return report;
}

}  // namespace convoy
