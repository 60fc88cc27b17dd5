#include "inference/source_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "convoy/error.h"

namespace convoy {
namespace {

bool contradicts(const SourceNetwork& network, const Recipe& recipe) {
  ModelOptions theirs;
  apply(network, {}, theirs);
  const ModelOptions wanted = model_options(recipe);
  return (recipe.bn_eps && wanted.bn_eps != theirs.bn_eps) ||
         (recipe.padding != Recipe::Padding::usual && wanted.same_padding != theirs.same_padding) ||
         (recipe.act != Activation::none && wanted.activation != theirs.activation);
}

// What is left open by the recipe is the same in both.
bool agree(const SourceNetwork& a, const SourceNetwork& b, const Recipe& recipe) {
  ModelOptions left, right;
  apply(a, recipe, left);
  apply(b, recipe, right);
  return left.bn_eps == right.bn_eps && left.same_padding == right.same_padding && left.activation == right.activation;
}

bool is_ours(std::string_view name) { return models().contains(name); }

}  // namespace

const Model& find_model_or_source(std::string_view name) {
  const SourceNetwork* network = is_ours(name) ? nullptr : find_source_network(name);
  return find_model(network == nullptr ? name : network->model);
}

std::vector<SourceNetwork> networks_behind(const Naming* naming, const std::optional<ModelCard>& card,
                                           const Model& model) {
  if (card) {
    return {{.name = model.name,
             .model = model.name,
             .bn_eps = card->options.bn_eps,
             .same_padding = card->options.same_padding,
             .activation = card->options.activation}};
  }
  return naming == nullptr ? std::vector<SourceNetwork>() : networks_of(*naming, model.name);
}

const SourceNetwork* choose_network(const std::vector<SourceNetwork>& networks, const Recipe& recipe,
                                    std::string_view file) {
  if (networks.empty()) return nullptr;
  const SourceNetwork* named = is_ours(recipe.model) ? nullptr : find_source_network(recipe.model);
  std::vector<const SourceNetwork*> left;
  for (const SourceNetwork& network : networks) {
    if (named != nullptr && named->name == network.name) return &network;
    if (!contradicts(network, recipe)) left.push_back(&network);
  }
  if (left.empty()) {
    for (const SourceNetwork& network : networks) left.push_back(&network);
  }
  if (std::ranges::all_of(left, [&](const auto* other) { return agree(*left[0], *other, recipe); })) return left[0];
  std::vector<std::string> choices;
  for (const auto* network : left) choices.push_back(fmt::format("{} ({})", network->name, flags_of(*network)));
  throw UsageError(fmt::format("{}: its names are those of {}, which compute differently; give the flags of one", file,
                               fmt::join(choices, " and of ")));
}

void apply(const SourceNetwork& network, const Recipe& recipe, ModelOptions& options) {
  if (!recipe.bn_eps) options.bn_eps = network.bn_eps;
  if (recipe.padding == Recipe::Padding::usual) options.same_padding = network.same_padding;
  if (recipe.act == Activation::none) options.activation = network.activation;
}

std::string flags_of(const SourceNetwork& network) {
  std::vector<std::string> flags;
  if (network.bn_eps >= 0) flags.push_back(fmt::format("--bn-eps {:g}", network.bn_eps));
  if (network.bn_eps >= 0 || network.same_padding) {
    flags.push_back(fmt::format("--padding {}", network.same_padding ? "same" : "symmetric"));
  }
  if (network.activation != Activation::none) flags.push_back(fmt::format("--act {}", to_string(network.activation)));
  return fmt::format("{}", fmt::join(flags, " "));
}

}  // namespace convoy
