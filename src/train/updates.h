// The part of a training step that changes variables: optimizer, Lookahead, averages.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "train/step.h"

namespace convoy {

using Gradients = std::vector<std::pair<ValueId, ValueId>>;  // parameter, gradient

// The factors of the learning rate that the options give to layers and to the head, by the parameters' names; none
// where all would be 1.
std::map<std::string, double> learning_rate_scales(const Graph& forward, const OptimizerOptions& options);

// A state like `like`, named <kind>/<its name>.
ValueId add_state_like(Graph& graph, const std::string& kind, ValueId like, float start = 0);

// The variable of that name of another graph, added to this one where it is not there.
ValueId import_variable(Graph& graph, const Graph& from, const std::string& name);

// Where several batches or slices make one update. Adds each gradient to a state "gradient/<parameter>", which it
// returns: on ranks of a world, to the sum of all of them. The step that updates imports both and clears the totals.
Gradients accumulate(Graph& graph, World* world, const Gradients& gradients);
Gradients import_totals(Graph& update, const Graph& from, const Gradients& totals);
void clear(Graph& update, const Gradients& totals);
// What accumulated gradients are called.
inline constexpr std::string_view kTotalPrefix = "gradient/";

// Adds the update of every parameter, with clipping. scales: factors of the learning rate, by name; 1 where there is
// none.
void add_updates(Graph& graph, const StepOptions& options, const std::map<std::string, double>& scales,
                 const Gradients& gradients);

// Lookahead and moving averages of the variables `names`, the model's own, where the options ask for them.
void add_followers(Graph& graph, const StepOptions& options, const std::vector<std::string>& names);

bool have_followers(const Variables& variables, const std::string& name);
// Sets the followers that `variables` has to what they follow.
void start_followers(const Variables& variables, const std::vector<std::string>& names);

}  // namespace convoy
