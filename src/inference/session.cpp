#include "convoy/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "convoy/error.h"
#include "core/finite.h"
#include "core/text.h"
#include "data/transform.h"
#include "formats/layout.h"
#include "inference/arena.h"
#include "inference/model_file.h"
#include "inference/pixels.h"
#include "inference/quantized_values.h"
#include "plan/batch_program.h"
#include "plan/network_graph.h"
#include "plan/passes.h"
#include "plan/reparameterise.h"

namespace convoy {
namespace {

constexpr std::string_view kLogits = "logits", kFeatures = "features";

// Weights with norms and branches folded in, and what the kernels of sessions made of them.
struct FoldedWeights {
  Variables variables;
  PreparedWeights prepared;
};

// The input of the layer that makes the logits.
ValueId features_of(Graph& graph) {
  for (const Node& node : graph.nodes()) {
    const bool is_head =
        node.inputs.size() > 1 && node.inputs[1] != kNoValue && graph.value(node.inputs[1]).role == Role::head_weight;
    if (is_head) return layer_input(graph, node);
  }
  throw UsageError("outputs: the network does not say which of its layers is the head, so it has no features");
}

// What the layer with the weight "<name>.weight" makes.
ValueId output_of(Graph& graph, const std::string& name) {
  std::vector<std::string> names{std::string(kLogits), std::string(kFeatures)};
  for (const Node& node : graph.nodes()) {
    if (node.inputs.size() < 2 || node.inputs[1] == kNoValue) continue;
    const std::string& weight = graph.value(node.inputs[1]).name;
    if (!weight.ends_with(".weight")) continue;
    names.push_back(weight.substr(0, weight.rfind('.')));
    if (names.back() == name) return layer_output(graph, node);
  }
  throw UsageError(fmt::format("outputs: {}", unknown_name("layer", name, names)));
}

bool is_layer(const std::string& output) { return output != kLogits && output != kFeatures; }

}  // namespace

struct TrainedNetwork::Parts {
  ModelCard card;
  Graph graph{Mode::inference};  // of one image, as the file has it
  Variables variables;
  mutable std::mutex folding;
  mutable std::shared_ptr<FoldedWeights> folded;

  ValueId find(std::string_view name) const {
    const ValueId id = graph.find_named(name);
    if (id != kNoValue && graph.value(id).is_variable()) return id;
    std::vector<std::string> names;
    for (const auto& [known, variable] : variables.all()) names.push_back(known);
    throw UsageError(unknown_name("weight", name, names));
  }

  // Of the network on a batch; `reparameterised` has the graph. The same for all sessions until a weight changes.
  std::shared_ptr<FoldedWeights> fold(const Reparameterised& reparameterised) const {
    const std::scoped_lock lock(folding);
    if (folded == nullptr) {
      folded = std::make_shared<FoldedWeights>();
      folded->variables.add(reparameterised.graph, std::nullopt);
      fuse_weights(reparameterised, variables, folded->variables);
    }
    return folded;
  }
};

TrainedNetwork::TrainedNetwork(const std::filesystem::path& model_file) : parts_(std::make_unique<Parts>()) {
  const SafetensorsReader file(model_file);
  parts_->card = read_model_card(file);
  parts_->graph = graph_of(parts_->card, model_file);
  read_weights(file, parts_->graph, parts_->variables);
}

TrainedNetwork::~TrainedNetwork() = default;
TrainedNetwork::TrainedNetwork(TrainedNetwork&&) noexcept = default;
TrainedNetwork& TrainedNetwork::operator=(TrainedNetwork&&) noexcept = default;

const std::string& TrainedNetwork::architecture() const { return parts_->card.architecture; }
int64_t TrainedNetwork::image_size() const { return parts_->card.preprocessing.image_size; }
const std::vector<std::string>& TrainedNetwork::class_names() const { return parts_->card.class_names; }

std::vector<std::string> TrainedNetwork::weight_names() const {
  std::vector<std::string> names;
  for (ValueId id = 0; id < parts_->graph.value_count(); ++id) {
    if (parts_->graph.value(id).is_variable()) names.push_back(parts_->graph.value(id).name);
  }
  return names;
}

std::vector<int64_t> TrainedNetwork::weight_shape(std::string_view name) const {
  const ValueInfo& info = parts_->graph.value(parts_->find(name));
  const Shape shape = file_shape(info.type.shape, info.layout);
  return {shape.extents().begin(), shape.extents().end()};
}

std::vector<float> TrainedNetwork::weight(std::string_view name) const {
  const ValueInfo& info = parts_->graph.value(parts_->find(name));
  const std::vector<float> inside = parts_->variables.read(name);
  std::vector<float> values(inside.size());
  to_file_layout(info.type.shape, info.layout, inside, values);
  return values;
}

void TrainedNetwork::set_weight(std::string_view name, std::span<const float> values) {
  const ValueInfo& info = parts_->graph.value(parts_->find(name));
  const auto elements = static_cast<size_t>(info.type.shape.elements());
  if (values.size() != elements) {
    throw UsageError(fmt::format("{}: expected {} values, got {}", name, elements, values.size()));
  }
  if (const std::optional<size_t> place = first_not_finite(values)) {
    throw UsageError(fmt::format("{}: expected finite values, got {} as number {}", name, values[*place], *place + 1));
  }
  const auto fits = [](float x) { return x == std::nearbyint(x) && std::abs(x) <= 127; };
  if (const auto place = std::ranges::find_if_not(values, fits);
      info.type.dtype == DType::i8 && place != values.end()) {
    throw UsageError(fmt::format("{}: expected whole numbers from -127 to 127, got {}", name, *place));
  }
  std::vector<float> inside(elements);
  from_file_layout(info.type.shape, info.layout, {values.begin(), values.end()}, inside);
  parts_->variables.write(name, inside);
  const std::scoped_lock lock(parts_->folding);
  parts_->folded = nullptr;
}

void TrainedNetwork::save(const std::filesystem::path& model_file) const {
  write_model_file(model_file, parts_->card, parts_->graph, "", parts_->variables);
}

void TrainedNetwork::prepare(const Pixels& pixels, std::span<float> into) const {
  const size_t expected = static_cast<size_t>(image_size() * image_size()) * Image::kChannels;
  if (into.size() != expected) {
    throw UsageError(fmt::format("prepare: expected room for {} numbers, got {}", expected, into.size()));
  }
  const Image image = to_image(pixels);
  Normalizer(parts_->card.preprocessing)(convoy::prepare(image.view(), parts_->card.preprocessing), into.data());
}

struct Session::Parts {
  std::vector<std::string> outputs;
  int64_t image_elements = 0;
  ThreadTeamPtr team;
  std::shared_ptr<FoldedWeights> folded;  // shared; null where `own` is used
  Variables own;                          // a copy, where layers are asked for
  std::unique_ptr<BatchProgram> program;
  Buffer arena;
};

Session::Session(const TrainedNetwork& network, const SessionOptions& options) : parts_(std::make_unique<Parts>()) {
  if (options.batch_size < 1) {
    throw UsageError(fmt::format("batch_size: expected at least 1, got {}", options.batch_size));
  }
  if (options.outputs.empty()) throw UsageError("outputs: expected at least one");
  const ModelCard& card = network.parts_->card;
  const int64_t side = network.image_size();
  parts_->outputs = options.outputs;
  parts_->image_elements = side * side * Image::kChannels;
  parts_->team = team_of(options.threads);
  const TeamScope scope(*parts_->team);

  const auto graph_of = [&](int64_t images) {
    Graph graph = inference_graph(model_of(card), card.options, {images, side, side, Image::kChannels});
    for (const std::string& output : options.outputs) {
      if (output == kLogits) continue;
      graph.set_output(output, output == kFeatures ? features_of(graph) : output_of(graph, output));
    }
    return graph;
  };
  const bool folds = std::ranges::none_of(options.outputs, is_layer);
  const Graph graph = graph_of(options.batch_size);
  const Variables* variables = &parts_->own;
  PreparedWeights* shared = nullptr;
  if (folds) {
    parts_->folded = network.parts_->fold(reparameterise(graph));
    variables = &parts_->folded->variables;
    shared = &parts_->folded->prepared;
  } else {
    parts_->own.add(graph, std::nullopt);
    for (const auto& [name, variable] : parts_->own.all()) {
      parts_->own.write(name, network.parts_->variables.read(name));
    }
  }
  parts_->program = std::make_unique<BatchProgram>(
      [&](int64_t images) {
        Graph ready = graph_of(images);
        if (folds) ready = reparameterise(ready).graph;
        run_passes(ready, forward_passes());
        return ready;
      },
      options.batch_size, ProgramOptions{.exact = options.exact, .prepared = true, .shared = shared});
  parts_->arena = make_arena(parts_->program->arena_bytes(),
                             fmt::format("{}: a batch size of {}", card.architecture, options.batch_size));
  parts_->program->bind(*variables, parts_->arena);
  parts_->program->prepare();
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::span<float> Session::images() {
  const Program& program = parts_->program->whole();
  const Shape& shape = program.graph().value(program.graph().named("images")).type.shape;
  return {program.data("images"), static_cast<size_t>(shape.elements())};
}

void Session::run() { parts_->program->run({}); }

std::span<const float> Session::output(size_t place) const {
  const Program& program = parts_->program->whole();
  const ValueId id = program.graph().output(parts_->outputs.at(place));
  return {program.data(id), static_cast<size_t>(program.graph().value(id).type.shape.elements())};
}

std::vector<int64_t> Session::output_shape(size_t place) const {
  const Graph& graph = parts_->program->whole().graph();
  const Shape& shape = graph.value(graph.output(parts_->outputs.at(place))).type.shape;
  return {shape.extents().begin(), shape.extents().end()};
}

std::vector<std::vector<float>> Session::run(std::span<const float> images) {
  const auto per_image = static_cast<size_t>(parts_->image_elements);
  if (images.size() % per_image != 0) {
    throw UsageError(fmt::format("run: expected images of {} numbers, got {} numbers", per_image, images.size()));
  }
  std::vector<std::vector<float>> results(parts_->outputs.size());
  const std::span<float> input = this->images();
  while (!images.empty()) {
    const size_t taken = std::min(images.size(), input.size());
    std::ranges::copy(images.first(taken), input.begin());
    std::fill(input.begin() + static_cast<std::ptrdiff_t>(taken), input.end(), 0.0F);
    run();
    for (size_t i = 0; i < results.size(); ++i) {
      const std::span<const float> all = output(i);
      const size_t valid = all.size() / (input.size() / per_image) * (taken / per_image);
      results[i].insert(results[i].end(), all.begin(), all.begin() + static_cast<std::ptrdiff_t>(valid));
    }
    images = images.subspan(taken);
  }
  return results;
}

}  // namespace convoy
