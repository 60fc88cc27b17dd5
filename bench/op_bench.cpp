// Time of every op case, forwards and backwards: op_bench [part of a name] [threads]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"
#include "graph/autodiff.h"
#include "ops/op_case.h"
#include "ops/sum/sum.h"
#include "plan/program.h"

namespace convoy {
namespace {

std::string input_name(size_t index) { return fmt::format("input/{}", index); }

// The case with the gradients of all that has one.
Graph graph_of(const OpCase& op_case) {
  Graph graph(op_case.mode);
  std::vector<Value> inputs;
  std::set<ValueId> wanted;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    inputs.emplace_back(&graph, graph.add_input(input_name(i), {op_case.inputs[i].shape, op_case.inputs[i].type}));
    if (op_case.inputs[i].differentiable) wanted.insert(inputs.back().id());
  }
  std::vector<std::pair<ValueId, ValueId>> seeds;
  for (const Value& output : op_case.build(Builder(graph), inputs)) {
    seeds.emplace_back(output.id(), graph.add_constant(output.shape(), 1));
  }
  for (const ValueId id : graph.parameters()) wanted.insert(id);
  if (!wanted.empty()) differentiate(graph, seeds, wanted, std::make_shared<SumOp>(true));
  return graph;
}

void bench(const OpCase& op_case) {
  constexpr int kRuns = 200;
  Program program(graph_of(op_case));
  Variables variables;
  variables.add(program.graph(), 1);
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  for (int run = 0; run < kRuns; ++run) {
    for (size_t i = 0; i < op_case.inputs.size(); ++i) {
      const OpCase::Input& input = op_case.inputs[i];
      RandomStream random(1, input_name(i));
      std::vector<float> values(static_cast<size_t>(input.shape.elements()));
      std::ranges::generate(values, [&] { return random.uniform(input.low, input.high); });
      program.write(input_name(i), values);
    }
    program.run_profiled({});
  }
  fmt::print("{}\n", op_case.name);
  for (size_t i = 0; i < program.reports().size(); ++i) {
    fmt::print("  {:<32} {:<12} {:>10.1f} us\n", program.graph().nodes()[i].op->name(), program.reports()[i].kernel,
               program.seconds(i) / kRuns * 1e6);
  }
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  if (argc > 2) convoy::set_thread_count(std::atoi(argv[2]));
  for (const convoy::OpCase& op_case : convoy::all_op_cases()) {
    if (argc < 2 || op_case.name.find(argv[1]) != std::string::npos) convoy::bench(op_case);
  }
}
