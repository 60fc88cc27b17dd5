#include "tests/support/op_case_check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "core/cpu.h"
#include "core/parallel.h"
#include "core/random.h"
#include "graph/autodiff.h"
#include "ops/sum/sum.h"
#include "plan/program.h"
#include "tests/support/reference.h"

namespace convoy {
namespace {

using Tensors = std::map<std::string, std::vector<float>>;

// The graph of a case with its gradients: outputs "output/i", and "gradient/name" for every input and parameter.
struct Instance {
  Graph graph;
  size_t forward_nodes = 0;
  std::vector<ValueId> outputs;
  std::vector<ValueId> wanted;  // differentiated with respect to
};

Instance instantiate(const OpCase& op_case) {
  Instance instance{Graph(op_case.mode), 0, {}, {}};
  Graph& graph = instance.graph;
  std::vector<Value> inputs;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    inputs.emplace_back(&graph, graph.add_input(fmt::format("input/{}", i), {op_case.inputs[i].shape}));
    if (op_case.inputs[i].differentiable) instance.wanted.push_back(inputs.back().id());
  }
  for (const Value& value : op_case.build(Builder(graph), inputs)) instance.outputs.push_back(value.id());
  for (const ValueId id : graph.parameters()) instance.wanted.push_back(id);
  instance.forward_nodes = graph.nodes().size();

  std::vector<std::pair<ValueId, ValueId>> seeds;
  for (size_t i = 0; i < instance.outputs.size(); ++i) {
    const ValueId id = instance.outputs[i];
    graph.set_output(fmt::format("output/{}", i), id);
    seeds.emplace_back(id, graph.add_input(fmt::format("seed/{}", i), graph.value(id).type));
  }
  if (instance.wanted.empty()) return instance;
  for (const auto& [id, gradient] :
       differentiate(graph, seeds, {instance.wanted.begin(), instance.wanted.end()}, std::make_shared<SumOp>())) {
    graph.set_output("gradient/" + graph.value(id).name, gradient);
  }
  return instance;
}

// Starting data of everything that has a name, the same for every run of the case.
Tensors start_data(const OpCase& op_case, const Graph& graph) {
  Tensors data;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (info.name.empty()) continue;
    float low = -1, high = 1;
    if (info.name.starts_with("input/")) {
      const OpCase::Input& input = op_case.inputs[std::stoul(info.name.substr(6))];
      low = input.low;
      high = input.high;
    } else if (info.kind == ValueKind::state) {
      low = 0.5F;
    }
    RandomStream random(7, info.name);
    std::vector<float>& tensor = data[info.name];
    tensor.resize(static_cast<size_t>(info.type.shape.elements()));
    for (float& x : tensor) x = random.uniform(low, high);
  }
  return data;
}

ReferenceValues in_double(const Graph& graph, const Tensors& data) {
  ReferenceValues values;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (info.kind == ValueKind::constant) {
      values[id] = {info.type, std::vector<double>(static_cast<size_t>(info.type.shape.elements()), info.start.value)};
    } else if (!info.name.empty()) {
      const std::vector<float>& tensor = data.at(info.name);
      values[id] = {info.type, {tensor.begin(), tensor.end()}};
    }
  }
  return values;
}

// Outputs, gradients and states after one run on the engine.
Tensors run_engine(const Graph& graph, const Tensors& data) {
  Program program(graph, {.guarded = true});
  Variables variables;
  variables.add(graph, 1);
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  for (const auto& [name, tensor] : data) std::copy(tensor.begin(), tensor.end(), program.data(name));
  program.run({});
  Tensors results;
  const auto keep = [&](const std::string& name, ValueId id) {
    const float* begin = program.data(id);
    results[name].assign(begin, begin + graph.value(id).type.shape.elements());
  };
  for (const auto& [name, id] : graph.outputs()) keep(name, id);
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).kind == ValueKind::state) keep(graph.value(id).name, id);
  }
  return results;
}

void expect_close(const std::string& what, const std::vector<float>& actual, const std::vector<double>& expected,
                  double tolerance) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double largest = 0;
  for (const double x : expected) largest = std::max(largest, std::abs(x));
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_LE(std::abs(actual[i] - expected[i]), tolerance * std::max(largest, 1e-3))
        << what << " element " << i << ": expected " << expected[i] << ", got " << actual[i];
  }
}

// sum over outputs of seed * output, in double, by the nodes of the forward graph.
double seeded_loss(const Graph& forward, const Instance& instance, ReferenceValues values) {
  run_in_double(forward, values);
  double loss = 0;
  for (size_t i = 0; i < instance.outputs.size(); ++i) {
    const auto& output = values.at(instance.outputs[i]).data;
    const auto& seed = values.at(instance.graph.named(fmt::format("seed/{}", i))).data;
    for (size_t k = 0; k < output.size(); ++k) loss += output[k] * seed[k];
  }
  return loss;
}

// Derivatives of seeded_loss, by tensor and element.
using Derivatives = std::map<std::string, std::map<size_t, double>>;

// Central differences at every element of a small tensor, and at some of a large one, from the first to the last.
Derivatives central_differences(const Graph& forward, const Instance& instance, ReferenceValues values) {
  constexpr double kStep = 1e-5;
  constexpr size_t kSmall = 64, kSome = 14;
  Derivatives derivatives;
  for (const ValueId id : instance.wanted) {
    std::map<size_t, double>& of_tensor = derivatives[instance.graph.value(id).name];
    std::vector<double>& data = values.at(id).data;
    const size_t count = data.size() <= kSmall ? data.size() : kSome;
    for (size_t k = 0; k < count; ++k) {
      const size_t element = k * (data.size() - 1) / std::max<size_t>(count - 1, 1);
      const double start = data[element];
      data[element] = start + kStep;
      const double above = seeded_loss(forward, instance, values);
      data[element] = start - kStep;
      of_tensor[element] = (above - seeded_loss(forward, instance, values)) / (2 * kStep);
      data[element] = start;
    }
  }
  return derivatives;
}

void expect_derivatives(const Tensors& results, const Derivatives& derivatives, double tolerance) {
  for (const auto& [name, of_tensor] : derivatives) {
    const auto found = results.find("gradient/" + name);
    ASSERT_NE(found, results.end()) << "nothing is differentiable in " << name;
    const std::vector<float>& gradient = found->second;
    double largest = 0;
    for (const float x : gradient) largest = std::max(largest, std::abs(static_cast<double>(x)));
    for (const auto& [element, expected] : of_tensor) {
      ASSERT_LE(std::abs(gradient[element] - expected), tolerance * std::max(largest, 1e-3))
          << "gradient of " << name << " element " << element << ": expected " << expected << ", got "
          << gradient[element];
    }
  }
}

bool same_bits(const Tensors& a, const Tensors& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
           return x.first == y.first && x.second.size() == y.second.size() &&
                  std::memcmp(x.second.data(), y.second.data(), x.second.size() * sizeof(float)) == 0;
         });
}

}  // namespace

void check_op_case(const OpCase& op_case) {
  const Instance instance = instantiate(op_case);
  const Tensors data = start_data(op_case, instance.graph);
  Graph forward = instance.graph;
  forward.nodes().resize(instance.forward_nodes);
  ReferenceValues expected = in_double(instance.graph, data);
  const Derivatives derivatives = central_differences(forward, instance, expected);
  run_in_double(forward, expected);

  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    SCOPED_TRACE(fmt::format("{} on {}", op_case.name, to_string(isa)));
    set_thread_count(2);
    const Tensors results = run_engine(instance.graph, data);
    for (size_t i = 0; i < instance.outputs.size(); ++i) {
      const std::string name = fmt::format("output/{}", i);
      expect_close(name, results.at(name), expected.at(instance.outputs[i]).data, op_case.tolerance);
    }
    expect_derivatives(results, derivatives, op_case.gradient_tolerance);
    EXPECT_TRUE(same_bits(results, run_engine(instance.graph, data))) << "a second run gave other bits";
    for (const int threads : {1, 3}) {
      set_thread_count(threads);
      EXPECT_TRUE(same_bits(results, run_engine(instance.graph, data))) << threads << " threads gave other bits than 2";
    }
  }
  set_active_isa(available_isas().back());
}

}  // namespace convoy
