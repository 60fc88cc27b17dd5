// Reverse-mode differentiation: adds the nodes of the gradients to the graph they differentiate.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "convoy/gradient.h"
#include "graph/graph.h"

namespace convoy {

// Adds the nodes that compute d(sum of seed.second * seed.first)/d(value) for every value in `wanted`, seed by seed a
// {value, its gradient}. Values that take part several times get their gradients added by `sum`, an op of any number
// of like-shaped inputs. Returns the gradient of each wanted value that the seeds depend on.
// Throws Error when an op on the way has no gradient rule.
std::map<ValueId, ValueId> differentiate(Graph& graph, std::span<const std::pair<ValueId, ValueId>> seeds,
                                         const std::set<ValueId>& wanted, const std::shared_ptr<const Op>& sum);

}  // namespace convoy
