#include "train/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <utility>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "core/text.h"
#include "graph/graph.h"

namespace convoy {
namespace {

struct Loss {
  std::string name;
  LossFunction build;
};

Value constant(Graph& graph, const Shape& shape, float value) { return {&graph, graph.add_constant(shape, value)}; }

// Of a logit x and a target t, -t log s(x) - (1 - t) log s(-x) with the logistic function s: the cross entropy of the
// two logits x and 0 with the targets t and 1 - t.
Value binary_cross_entropy(Value logits, Value targets, float smoothing) {
  Graph& graph = logits.graph();
  const Shape column{logits.shape().elements(), 1};
  const float off = smoothing / static_cast<float>(logits.channels());
  const Value yes = add(reshape(scale(targets, 1 - smoothing), column), constant(graph, column, off));
  const Value no = add(constant(graph, column, 1), scale(yes, -1));
  return cross_entropy(concat({reshape(logits, column), constant(graph, column, 0)}), concat({yes, no}));
}

std::deque<Loss>& registry() {
  static std::deque<Loss> all{{"cross-entropy", cross_entropy}, {"bce", binary_cross_entropy}};
  return all;
}

const Loss& find_loss(std::string_view name) {
  const auto found = std::ranges::find(registry(), name, &Loss::name);
  if (found == registry().end()) throw UsageError(unknown_name("loss", name, loss_names()));
  return *found;
}

int64_t count_variables(const Graph& graph) {
  int64_t count = 0;
  for (ValueId id = 0; id < graph.value_count(); ++id) count += graph.value(id).is_variable() ? 1 : 0;
  return count;
}

Value call(const Loss& loss, Value logits, Value targets, float smoothing) try {
  return loss.build(logits, targets, smoothing);
} catch (const Error& error) {
  error.rethrow(fmt::format("loss {}: {}", loss.name, error.what()));
} catch (const std::exception& error) {
  throw InternalError(fmt::format("loss {}: {}", loss.name, error.what()));
} catch (...) {
  throw InternalError(fmt::format("loss {}: threw something that is no std::exception", loss.name));
}

}  // namespace

std::vector<std::string> loss_names() {
  std::vector<std::string> names;
  for (const Loss& loss : registry()) names.push_back(loss.name);
  return names;
}

void add_loss(std::string name, LossFunction loss) {
  if (std::ranges::find(registry(), name, &Loss::name) != registry().end()) {
    throw InternalError(fmt::format("there is already a loss named '{}'", name));
  }
  if (!loss) throw InternalError(fmt::format("loss {}: expected a function, got none", name));
  registry().push_back({std::move(name), std::move(loss)});
}

Value build_loss(std::string_view name, Value logits, Value targets, float smoothing) {
  const Loss& loss = find_loss(name);
  const Graph& graph = logits.graph();
  const int64_t variables = count_variables(graph);
  const Value result = call(loss, logits, targets, smoothing);
  if (!result || &result.graph() != &graph) {
    throw InternalError(fmt::format("loss {}: expected a value of the graph of the logits, got another", name));
  }
  if (result.shape() != Shape{}) {
    throw InternalError(fmt::format("loss {}: expected a scalar, got {}", name, result.shape().to_string()));
  }
  if (count_variables(graph) != variables) {
    throw InternalError(fmt::format("loss {}: expected no parameters or states of its own, got {}", name,
                                    count_variables(graph) - variables));
  }
  return result;
}

}  // namespace convoy
