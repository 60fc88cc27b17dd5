#include "train/rank_sums.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "ops/all_reduce/all_reduce.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/optimizer/optimizer.h"

namespace convoy {
namespace {

// Large enough that messages take longer than they wait, small enough that the last one, which nothing hides, is short.
constexpr int64_t kBucketBytes = int64_t{4} << 20;

std::vector<ValueId> begin(Graph& graph, World& world, const std::vector<ValueId>& terms, float scale = 1) {
  return graph.add_node(std::make_shared<AllReduceOp>(&world, static_cast<int64_t>(terms.size()), scale), terms);
}

std::vector<ValueId> wait(Graph& graph, World& world, const std::vector<ValueId>& sums) {
  return graph.add_node(std::make_shared<AllReduceWaitOp>(&world, static_cast<int64_t>(sums.size())), sums);
}

}  // namespace

std::vector<size_t> backward_order(const Graph& graph, const Gradients& gradients) {
  std::map<ValueId, size_t> made;  // by which node
  for (size_t position = 0; position < graph.nodes().size(); ++position) {
    for (const ValueId id : graph.nodes()[position].outputs) made[id] = position;
  }
  std::vector<size_t> order(gradients.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t place) { return made.at(gradients[place].second); });
  return order;
}

Gradients sum_over_ranks(Graph& graph, World& world, const Gradients& gradients, const std::vector<size_t>& order) {
  std::vector<std::vector<ValueId>> buckets;
  int64_t bytes = kBucketBytes;
  for (const size_t place : order) {
    if (bytes >= kBucketBytes) {
      buckets.emplace_back();
      bytes = 0;
    }
    buckets.back().push_back(gradients[place].second);
    bytes += graph.value(gradients[place].second).type.shape.elements() * static_cast<int64_t>(sizeof(float));
  }
  for (std::vector<ValueId>& bucket : buckets) bucket = begin(graph, world, bucket);
  Gradients sums = gradients;
  auto place = order.begin();
  for (const std::vector<ValueId>& bucket : buckets) {
    for (const ValueId sum : wait(graph, world, bucket)) sums[*place++].second = sum;
  }
  return sums;
}

void synchronise_norms(Graph& graph, World& world) {
  for (Node& node : graph.nodes()) {
    const auto* norm = op_as<BatchNormOp>(node);
    if (norm == nullptr || !norm->batch_norm().training) continue;
    node.op = std::make_shared<BatchNormOp>(norm->batch_norm(), &world);
  }
}

void average_statistics(Graph& graph, World& world, const std::vector<ValueId>& statistics, double share) {
  if (statistics.empty()) return;
  const std::vector<ValueId> means = wait(graph, world, begin(graph, world, statistics, static_cast<float>(share)));
  for (size_t i = 0; i < statistics.size(); ++i) {
    graph.add_node(std::make_shared<ClearOp>(), {statistics[i]});
    graph.add_node(std::make_shared<AccumulateOp>(), {statistics[i], means[i]});
  }
}

std::vector<ValueId> changed_states(const Graph& graph) {
  std::set<ValueId> states;
  for (const Node& node : graph.nodes()) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNoValue || !node.op->mutates(static_cast<int>(i))) continue;
      if (graph.value(id).kind == ValueKind::state) states.insert(id);
    }
  }
  return {states.begin(), states.end()};
}

}  // namespace convoy
