#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "convoy/error.h"
#include "convoy/model.h"
#include "core/text.h"
#include "graph/graph.h"
#include "models/families.h"
#include "models/layers/asymmetric.h"
#include "models/layers/variant.h"

namespace convoy {
namespace {

std::set<Model, ModelOrder>& registry() {
  static std::set<Model, ModelOrder> all = [] {
    std::vector<Model> models = built_in_models();
    return std::set<Model, ModelOrder>(std::move_iterator(models.begin()), std::move_iterator(models.end()));
  }();
  return all;
}

void check_options(const Model& model, const ModelOptions& options, Mode mode) {
  const auto refuse = [&model](std::string_view option, bool given, const auto& takes) {
    if (!given || takes(model)) return;
    std::vector<std::string> takers;
    for (const Model& other : models()) {
      if (takes(other)) takers.push_back(other.name);
    }
    throw UsageError(
        fmt::format("{}: model '{}' has no such option; {} have it", option, model.name, fmt::join(takers, ", ")));
  };
  // Inference drops nothing: model files may hold a rate that their networks never used.
  const bool drops = mode == Mode::training;
  refuse("drop", drops && options.dropout > 0, [](const Model& one) { return one.takes.dropout; });
  refuse("drop-path", drops && options.drop_path > 0, [](const Model& one) { return one.takes.drop_path; });
  refuse("width", options.width != 1, [](const Model& one) { return one.takes.width; });
  refuse("asymmetry-rate", options.asymmetry_rate >= 0, [](const Model& one) { return one.takes.asymmetry_rate; });
  refuse("act", options.activation != Activation::none,
         [](const Model& one) { return one.activation != Activation::none; });
  if (options.acnet && !model.takes.acnet) {
    throw UsageError(fmt::format("acnet: model '{}' is an ACNet already; leave the option out", model.name));
  }
  if (!(options.width > 0 && options.width <= kMaxWidth)) {
    throw UsageError(
        fmt::format("width: expected a multiplier above 0 and at most {}, got {}", kMaxWidth, options.width));
  }
}

// The side of the smallest square images above `too_small` that the network can be built on; 0 when there are none up
// to its usual size.
int64_t smallest_image(const Model& model, const ModelOptions& options, int64_t too_small) {
  for (int64_t side = too_small + 1; side <= model.image_size; ++side) {
    Graph graph(Mode::inference);
    const Value images(&graph, graph.add_input("images", {{1, side, side, 3}}));
    try {
      model.build(Builder(graph), images, options);
      return side;
    } catch (const Error&) {
      continue;
    }
  }
  return 0;
}

Value build(const Model& model, Builder b, Value images, const ModelOptions& options) {
  try {
    return model.build(b, images, options);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    const int64_t side = std::min(images.shape()[1], images.shape()[2]);
    const int64_t smallest = smallest_image(model, options, side);
    if (smallest == 0) throw;
    throw UsageError(
        fmt::format("img-size: expected at least {} for {}, got {}: {}", smallest, model.name, side, error.what()));
  }
}

}  // namespace

const std::set<Model, ModelOrder>& models() { return registry(); }

Value build_network(const Model& model, Builder b, Value images, const ModelOptions& options) {
  check_options(model, options, b.mode());
  Graph& graph = b.graph();
  const size_t first = graph.nodes().size();
  const Value logits = build(model, b, images, options);
  const auto require = [&model](std::string_view option, int changed, std::string_view what) {
    if (changed > 0) return;
    throw UsageError(fmt::format("{}: model '{}' has no {}; leave the option out", option, model.name, what));
  };
  if (options.acnet) require("acnet", add_asymmetric_branches(graph, first), "k x k convolution of odd k");
  if (options.bn_eps >= 0) require("bn-eps", set_norm_eps(graph, first, options.bn_eps), "batch norm");
  if (options.same_padding) require("padding", pad_as_tensorflow(graph, first), "padded convolution with strides");
  if (options.activation != Activation::none) {
    replace_activation(graph, first, model.activation, options.activation);
  }
  return logits;
}

const Model& find_model(std::string_view name) {
  const auto found = models().find(name);
  if (found != models().end()) return *found;
  std::vector<std::string> names;
  for (const Model& model : models()) names.push_back(model.name);
  throw UsageError(unknown_name("model", name, names) + "; `convoy models` lists all");
}

void add_model(Model model) {
  if (models().contains(model.name))
    throw InternalError(fmt::format("there is already a model named '{}'", model.name));
  registry().insert(std::move(model));
}

}  // namespace convoy
