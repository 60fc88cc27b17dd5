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

// copied: the case's inputs and results are copies, and so maps (plan/maps.h) where they have images.
Instance instantiate(const OpCase& op_case, bool copied = false) {
  Instance instance{Graph(op_case.mode), 0, {}, {}};
  Graph& graph = instance.graph;
  const auto copy = [&](ValueId id) {
    if (!copied || graph.value(id).type.dtype != DType::f32) return Value{&graph, id};
    return Value{&graph, graph.add_node(std::make_shared<SumOp>(), {id}).front()};
  };
  std::vector<Value> inputs;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    const ValueId id = graph.add_input(fmt::format("input/{}", i), {op_case.inputs[i].shape, op_case.inputs[i].type});
    inputs.push_back(copy(id));
    if (op_case.inputs[i].differentiable) instance.wanted.push_back(id);
  }
  for (const Value& value : op_case.build(Builder(graph), inputs)) instance.outputs.push_back(copy(value.id()).id());
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
    for (float& x : tensor) {
      x = random.uniform(low, high);
      if (!is_floating(info.type.dtype)) x = std::nearbyint(x);
    }
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

// Outputs, gradients and states after one run, and the kernels that computed them.
struct Run {
  Tensors results;
  std::vector<std::string> kernels;
};

Run run_program(const Graph& graph, const Tensors& data, const ProgramOptions& options) {
  Program program(graph, options);
  const Backend& backend = options.backend;
  Variables variables(backend);
  variables.add(graph, 1);
  Buffer arena = backend.allocate(program.arena_bytes());
  program.bind(variables, arena);
  for (const auto& [name, tensor] : data) program.write(name, tensor);
  program.run({});
  Run run;
  for (const auto& [name, id] : graph.outputs()) run.results[name] = program.read(name);
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const ValueInfo& info = graph.value(id);
    if (info.kind == ValueKind::state) run.results[info.name] = program.read(info.name);
  }
  for (const Program::NodeReport& report : program.reports()) run.kernels.push_back(report.kernel);
  return run;
}

Run run_on(const Backend& backend, const Graph& graph, const Tensors& data, int passed_over = 0) {
  return run_program(graph, data, {.guarded = true, .backend = backend, .passed_over = passed_over});
}

template <class Expected>
void expect_close(const std::string& what, const std::vector<float>& actual, const std::vector<Expected>& expected,
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

// The gradients that the references of the backward ops give, against central differences of the forward ones along
// random directions through all elements at once.
void check_gradients(const Graph& forward, const Instance& instance, const ReferenceValues& start,
                     const ReferenceValues& values) {
  constexpr double kStep = 1e-6;
  for (uint64_t direction = 0; direction < 3; ++direction) {
    ReferenceValues above = start, below = start;
    double expected = 0, gradient_squares = 0, direction_squares = 0;
    for (const ValueId id : instance.wanted) {
      const auto& name = instance.graph.value(id).name;
      ASSERT_TRUE(instance.graph.outputs().contains("gradient/" + name)) << "nothing is differentiable in " << name;
      const std::vector<double>& gradient = values.at(instance.graph.output("gradient/" + name)).data;
      RandomStream random(11, name, direction);
      for (size_t k = 0; k < gradient.size(); ++k) {
        const double along = random.normal();
        above.at(id).data[k] += kStep * along;
        below.at(id).data[k] -= kStep * along;
        expected += gradient[k] * along;
        gradient_squares += gradient[k] * gradient[k];
        direction_squares += along * along;
      }
    }
    const double actual = (seeded_loss(forward, instance, above) - seeded_loss(forward, instance, below)) / (2 * kStep);
    const double scale = std::sqrt(gradient_squares * std::max(1.0, std::log(direction_squares)));
    EXPECT_NEAR(actual, expected, 1e-5 * std::max(scale, 1e-3)) << "along direction " << direction;
  }
}

// Every tensor of a run, all elements, against the reference.
void expect_reference(const OpCase& op_case, const Graph& graph, const ReferenceValues& expected,
                      const Tensors& results) {
  for (const auto& [name, tensor] : results) {
    const ValueId named = graph.find_named(name);
    const ValueId id = named == kNoValue ? graph.output(name) : named;
    expect_close(name, tensor, expected.at(id).data,
                 name.starts_with("gradient/") ? op_case.gradient_tolerance : op_case.tolerance);
  }
}

bool same_bits(const Tensors& a, const Tensors& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
           return x.first == y.first && x.second.size() == y.second.size() &&
                  std::memcmp(x.second.data(), y.second.data(), x.second.size() * sizeof(float)) == 0;
         });
}

// Maps of brain floats: kernels that take them against those of floats between conversions, on numbers that brain
// floats hold. Both round what they store; what floats sum in another order makes some results round the other way,
// which is a 256th of them, and more behind several nodes.
void check_bf16(const OpCase& op_case) {
  constexpr double kTolerance = 0.02;
  const Graph graph = instantiate(op_case, true).graph;
  Tensors data = start_data(op_case, graph);
  for (auto& [name, tensor] : data) {
    for (float& x : tensor) x = static_cast<float>(Bf16(x));
  }
  ProgramOptions options{.guarded = true, .maps = DType::bf16};
  const Run run = run_program(graph, data, options);
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    EXPECT_TRUE(same_bits(run.results, run_program(graph, data, options).results))
        << "bf16: " << threads << " threads gave other bits than 2";
  }
  set_thread_count(2);
  options.widened = true;
  const Run wide = run_program(graph, data, options);
  SCOPED_TRACE(fmt::format("bf16, with {}", fmt::join(run.kernels, ", ")));
  for (const auto& [name, tensor] : run.results) expect_close(name, tensor, wide.results.at(name), kTolerance);
}

}  // namespace

void check_op_case(const OpCase& op_case) {
  const Instance instance = instantiate(op_case);
  const Graph& graph = instance.graph;
  const Tensors data = start_data(op_case, graph);
  Graph forward = graph;
  forward.nodes().resize(instance.forward_nodes);
  const ReferenceValues start = in_double(graph, data);
  ReferenceValues expected = start;
  run_in_double(graph, expected);
  check_gradients(forward, instance, start, expected);
  expect_reference(op_case, graph, expected, run_on(reference_backend(), graph, data).results);

  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    SCOPED_TRACE(fmt::format("{} on {}", op_case.name, to_string(isa)));
    set_thread_count(2);
    const Run run = run_on(cpu_backend(), graph, data);
    expect_reference(op_case, graph, expected, run.results);
    EXPECT_TRUE(same_bits(run.results, run_on(cpu_backend(), graph, data).results)) << "a second run gave other bits";
    for (const int threads : {1, 3}) {
      set_thread_count(threads);
      EXPECT_TRUE(same_bits(run.results, run_on(cpu_backend(), graph, data).results))
          << threads << " threads gave other bits than 2";
    }
    set_thread_count(2);
    std::vector<std::string> kernels = run.kernels;
    for (int passed_over = 1;; ++passed_over) {
      const Run other = run_on(cpu_backend(), graph, data, passed_over);
      if (other.kernels == kernels) break;
      SCOPED_TRACE(fmt::format("with {}", fmt::join(other.kernels, ", ")));
      expect_reference(op_case, graph, expected, other.results);
      kernels = other.kernels;
    }
    check_bf16(op_case);
  }
  set_active_isa(available_isas().back());
}

}  // namespace convoy
