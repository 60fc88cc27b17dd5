#include "convoy/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "convoy/error.h"
#include "formats/atomic_file.h"
#include "formats/network_json.h"
#include "inference/arena.h"
#include "inference/evaluation.h"
#include "inference/evaluation_data.h"
#include "inference/model_file.h"
#include "inference/quantize_calibration.h"
#include "inference/quantize_equalize.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"
#include "plan/network_graph.h"
#include "plan/passes.h"

namespace convoy {
namespace {

// What an int8 network is called: files hold it under a name that the program does not know.
constexpr std::string_view kSuffix = "-int8";
constexpr int64_t kEvaluationBatch = 32;
// Of all layers' multiply-adds, what may stay float32: beyond it int8 is not worth its name.
constexpr double kMostFloatShare = 0.5;

// Labelled images that networks are judged by.
class Judge {
 public:
  Judge(DatasetPtr images, std::vector<int> class_of, const ModelCard& card)
      : images_(std::move(images)), class_of_(std::move(class_of)), card_(card) {}

  int64_t images() const { return images_->size(); }

  // How many images the network gets right.
  int64_t correct(const Model& model, const ModelOptions& options, Variables& variables) const {
    const int64_t batch = std::min(kEvaluationBatch, images());
    InferenceStep step(model, options, batch, card_.preprocessing.image_size, variables, 0, {.prepared = true});
    Buffer arena = make_arena(step.arena_bytes(), "measuring top-1");
    step.bind(variables, arena);
    step.prepare();
    LoaderOptions loader_options;
    loader_options.batch_size = batch;
    loader_options.preprocessing = card_.preprocessing;
    loader_options.cache_bytes = 0;
    loader_options.end_epoch = 1;
    Loader loader(images_, loader_options);
    ClassificationSums sums;
    infer_epoch(step, loader, options.num_classes, Tta::none, [&](const Batch& at, std::span<const float> logits) {
      std::vector<int> labels;
      for (const int label : labels_of(at)) labels.push_back(class_of_[static_cast<size_t>(label)]);
      add_batch(logits, labels, sums);
      return true;
    });
    return sums.top1;
  }

 private:
  DatasetPtr images_;
  std::vector<int> class_of_;  // the network's number of each of the images' classes
  const ModelCard& card_;
};

// An int8 form of the network, tried out.
struct Candidate {
  std::vector<bool> int8;  // each layer
  Graph graph;             // of one image
  Variables variables = Variables();
  std::shared_ptr<const Model> model = {};
  std::vector<double> output_sqnr = {};  // of each layer
  int64_t correct = 0;
};

// Of values, in dB; infinite where there is no noise.
double sqnr(std::span<const float> exact, std::span<const float> values) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double x = static_cast<double>(exact[i]), off = static_cast<double>(values[i]) - x;
    signal += x * x;
    noise += off * off;
  }
  return decibels(signal, noise);
}

double share_of(int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

class Quantizer {
 public:
  Quantizer(const std::filesystem::path& model_file, const QuantizeOptions& options, QuantizeReport& report,
            const std::function<void(std::string_view)>& on_stage)
      : path_(model_file), options_(options), report_(report), on_stage_(on_stage), file_(model_file) {
    card_ = read_model_card(file_);
    const Graph graph = graph_of(card_, path_);
    const auto is_quantized = [](const Node& node) { return op_as<QuantizedConv2dOp>(node) != nullptr; };
    if (std::ranges::any_of(graph.nodes(), is_quantized)) {
      throw Error(fmt::format("{}: is quantised already; quantise the file that it was made of", path_.string()));
    }
    Variables original;
    read_weights(file_, graph, original);
    const Reparameterised folded = reparameterise(graph);
    variables_.add(folded.graph, std::nullopt);
    fuse_weights(folded, original, variables_);
    folded_options_ = card_.options;
    folded_options_.fused = true;
    report_.bytes_before = std::filesystem::file_size(path_);
  }

  void run(const std::filesystem::path& output) {
    open_data();
    layers_ = quantizable_layers(graph_);
    if (layers_.empty()) {
      throw Error(fmt::format("{}: {} has no convolution or linear layer that int8 could compute", path_.string(),
                              model_of(card_).name));
    }
    tell(fmt::format("measuring the float32 network on {} images", judge_->images()));
    correct_before_ = judge_->correct(model_of(card_), folded_options_, variables_);
    report_.top1_before = share_of(correct_before_, judge_->images());
    calibrate();
    describe_layers();
    write(*choose(), output);
  }

 private:
  void tell(const std::string& stage) const {
    if (on_stage_) on_stage_(stage);
  }

  Graph graph_of_batch(int64_t batch) const {
    const int64_t side = card_.preprocessing.image_size;
    return inference_graph(model_of(card_), folded_options_, {batch, side, side, 3});
  }

  void open_data() {
    const SeparateData data = open_separate_data(options_.data, card_.training, path_, options_.seed);
    report_.calibrated_on = data.to_choose.description;
    report_.measured_on = data.to_judge.description;
    report_.warnings = data.to_judge.warnings;
    if (data.trained_on) {
      report_.warnings.push_back(
          "the network was trained on all of these images, so that its top-1 on them says little");
    }
    std::vector<int> class_of = class_numbers(*data.to_judge.images, data.to_judge.source, card_.class_names, path_);
    const int64_t most = options_.limit.value_or(data.to_judge.images->size());
    judge_ =
        std::make_unique<Judge>(draw_samples(data.to_judge.images, most, options_.seed), std::move(class_of), card_);
    images_ = std::make_unique<CalibrationImages>(
        draw_samples(data.to_choose.images, options_.calibration_images, options_.seed), card_.preprocessing);
    report_.measured_images = judge_->images();
    report_.calibration_images = images_->size();
    if (share_of(1, judge_->images()) * 100 > options_.max_drop && options_.max_drop > 0) {
      report_.warnings.push_back(fmt::format("one of {} images is more than max-drop, {} points of top-1",
                                             judge_->images(), options_.max_drop));
    }
    graph_ = graph_of_batch(images_->batch_size());
  }

  // Finds the ranges of the layers' inputs, after equalisation.
  void calibrate() {
    if (const std::vector<EqualizablePair> pairs = equalizable_pairs(graph_, layers_);
        options_.equalize && !pairs.empty()) {
      tell(fmt::format("equalising {} pairs of layers", pairs.size()));
      std::set<ValueId> maps;
      for (const EqualizablePair& pair : pairs) maps.insert(layers_[pair.second].input);
      equalize(pairs, layers_, channel_ranges(graph_, variables_, maps, *images_), variables_);
      report_.equalized = static_cast<int64_t>(pairs.size());
    }
    tell(fmt::format("calibrating on {} images", images_->size()));
    std::set<ValueId> inputs;
    for (const QuantizableLayer& layer : layers_) inputs.insert(layer.input);
    try {
      for (const auto& [map, histogram] : histograms(graph_, variables_, inputs, *images_)) {
        ranges_[map] = histogram.range(options_.ranges);
        levels_[map] = levels_of(ranges_[map]);
      }
    } catch (const NumericError& error) {
      error.rethrow(fmt::format("{}: {}", path_.string(), error.what()));
    }
  }

  void describe_layers() {
    for (const QuantizableLayer& layer : layers_) {
      const std::vector<float> weight = variables_.read(layer.weight);
      const QuantizedWeight levels = quantize_weight(weight, layer.out_channels());
      std::vector<float> rounded = levels.values;
      for (size_t i = 0; i < rounded.size(); ++i) rounded[i] *= levels.scales[i % levels.scales.size()];
      const ValueRange& range = ranges_.at(layer.input);
      report_.layers.push_back({.name = layer.name,
                                .kind = std::string(layer.kind()),
                                .multiply_adds = layer.multiply_adds / images_->batch_size(),
                                .low = static_cast<double>(range.low),
                                .high = static_cast<double>(range.high),
                                .weight_sqnr = sqnr(weight, rounded)});
    }
  }

  // The int8 form in which the layers of these numbers stay float32.
  std::unique_ptr<Candidate> try_out(std::span<const size_t> kept) {
    std::vector<bool> int8(layers_.size(), true);
    for (const size_t layer : kept) int8[layer] = false;
    tell(kept.empty() ? fmt::format("quantising {} layers", layers_.size())
                      : fmt::format("trying with {} of {} layers in float32", kept.size(), layers_.size()));
    const QuantizedGraph quantized = quantized_graph(graph_, layers_, int8, levels_);
    auto candidate =
        std::make_unique<Candidate>(Candidate{int8, quantized_graph(graph_of_batch(1), layers_, int8, levels_).graph});
    quantize_variables(quantized, layers_, variables_, candidate->variables);
    candidate->output_sqnr = compare_layers(graph_, variables_, quantized, candidate->variables, layers_,
                                            images_->first(), options_.correct_bias);
    round_biases(quantized.graph, candidate->variables);
    candidate->model = std::make_shared<const Model>(
        network_from_json(network_to_json(candidate->graph), card_.architecture + std::string(kSuffix)));
    candidate->correct = judge_->correct(*candidate->model, int8_options(), candidate->variables);
    describe(*candidate);
    return candidate;
  }

  ModelOptions int8_options() const {
    ModelOptions options;
    options.num_classes = card_.options.num_classes;
    return options;
  }

  void describe(const Candidate& candidate) {
    report_.top1_after = share_of(candidate.correct, judge_->images());
    for (size_t i = 0; i < layers_.size(); ++i) {
      QuantizeReport::Layer& layer = report_.layers[i];
      layer.int8 = candidate.int8[i];
      layer.output_sqnr = candidate.output_sqnr[i];
      layer.reason = layer.int8 ? "" : fmt::format("alone it leaves {:.1f} dB of the logits", *layer.logits_sqnr);
    }
  }

  bool is_good(const Candidate& candidate) const {
    const int64_t lost = correct_before_ - candidate.correct;
    return 100 * share_of(lost, judge_->images()) <= options_.max_drop;
  }

  // The logits of a graph like graph_ for the first calibration images.
  std::vector<float> logits_of(Graph graph, const Variables& variables) const {
    run_passes(graph, forward_passes());
    Program program(std::move(graph));
    Buffer arena = make_arena(program.arena_bytes(), "ranking the layers");
    program.bind(variables, arena);
    program.write("images", images_->first());
    program.run({});
    return program.read("logits");
  }

  // The layers by how much they alone in int8 change the logits, the gravest first.
  std::vector<size_t> ranking() {
    tell(fmt::format("ranking {} layers", layers_.size()));
    const std::vector<float> exact = logits_of(graph_, variables_);
    std::vector<size_t> order(layers_.size());
    std::iota(order.begin(), order.end(), 0);
    for (const size_t layer : order) {
      std::vector<bool> int8(layers_.size(), false);
      int8[layer] = true;
      QuantizedGraph alone = quantized_graph(graph_, layers_, int8, levels_);
      Variables variables;
      quantize_variables(alone, layers_, variables_, variables);
      report_.layers[layer].logits_sqnr = sqnr(exact, logits_of(std::move(alone.graph), variables));
    }
    std::ranges::stable_sort(order, {}, [&](size_t layer) { return *report_.layers[layer].logits_sqnr; });
    return order;
  }

  // How many layers of a ranking may stay float32.
  size_t most_kept(std::span<const size_t> ranked) const {
    int64_t all = 0, kept = 0;
    for (const QuantizableLayer& layer : layers_) all += layer.multiply_adds;
    size_t count = 0;
    for (; count + 1 < ranked.size(); ++count) {
      kept += layers_[ranked[count]].multiply_adds;
      if (share_of(kept, all) > kMostFloatShare) break;
    }
    return count;
  }

  // The form with the fewest layers in float32 whose top-1 is good enough, found by bisection.
  std::unique_ptr<Candidate> choose() {
    std::unique_ptr<Candidate> best = try_out({});
    if (is_good(*best)) return best;
    const std::vector<size_t> ranked = ranking();
    const size_t most = most_kept(ranked);
    size_t bad = 0, good = 0;
    while (good == 0) {
      if (bad == most) refuse();
      const size_t count = std::min(std::max<size_t>(2 * bad, 1), most);
      best = try_out(std::span(ranked).first(count));
      (is_good(*best) ? good : bad) = count;
    }
    while (good - bad > 1) {
      const size_t middle = (good + bad) / 2;
      std::unique_ptr<Candidate> tried = try_out(std::span(ranked).first(middle));
      const bool is_better = is_good(*tried);
      (is_better ? good : bad) = middle;
      if (is_better) best = std::move(tried);
    }
    return best;
  }

  [[noreturn]] void refuse() const {
    throw NumericError(fmt::format(
        "{}: top-1 drops from {:.2f} % to {:.2f} %, by more than {} points, although layers with half of the "
        "multiply-adds would stay float32; --max-drop allows more",
        path_.string(), 100 * report_.top1_before, 100 * report_.top1_after, options_.max_drop));
  }

  void write(const Candidate& candidate, const std::filesystem::path& output) {
    describe(candidate);
    ModelCard card = card_;
    card.architecture = candidate.model->name;
    card.network = candidate.model;
    card.options = int8_options();
    card.metrics = {
        {"val_top1", report_.top1_after},
        {"float32_top1", report_.top1_before},
        {"int8_layers", static_cast<double>(report_.int8_layers())},
        {"float32_layers", static_cast<double>(layers_.size()) - static_cast<double>(report_.int8_layers())},
        {"calibration_images", static_cast<double>(images_->size())}};
    write_model_file(output, card, candidate.graph, "", candidate.variables);
    report_.bytes_after = std::filesystem::file_size(output);
  }

  const std::filesystem::path& path_;
  const QuantizeOptions& options_;
  QuantizeReport& report_;
  const std::function<void(std::string_view)>& on_stage_;
  SafetensorsReader file_;
  ModelCard card_;
  ModelOptions folded_options_;
  Variables variables_;  // of the folded network
  std::unique_ptr<Judge> judge_;
  std::unique_ptr<CalibrationImages> images_;
  Graph graph_{Mode::inference};  // of a batch of calibration images, folded
  std::vector<QuantizableLayer> layers_;
  std::map<ValueId, ValueRange> ranges_;  // of the layers' inputs
  std::map<ValueId, Quantization> levels_;
  int64_t correct_before_ = 0;
};

}  // namespace

int64_t QuantizeReport::int8_layers() const { return std::ranges::count(layers, true, &Layer::int8); }

void quantize_model(const std::filesystem::path& model_file, const QuantizeOptions& options,
                    const std::filesystem::path& output, QuantizeReport* report,
                    const std::function<void(std::string_view)>& on_stage) {
  QuantizeReport own;
  QuantizeReport& result = report == nullptr ? own : *report;
  result = {};
  check_can_write(output);
  Quantizer(model_file, options, result, on_stage).run(output);
}

}  // namespace convoy
