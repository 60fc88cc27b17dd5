#include "backends/backends.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "convoy/own_op.h"
#include "graph/autodiff.h"
#include "ops/sum/sum.h"
#include "plan/program.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// x^3, which no kernel computes.
class CubeOp : public OpOf<CubeOp> {
 public:
  static constexpr std::string_view kName = "test_cube";
  static constexpr Slot kSlots[] = {{"input"}};
  template <class Self, class Visitor>
  static void describe(Self& self, Visitor& visit) {
    visit("factor", self.factor_, 1.0F);
  }

  explicit CubeOp(float factor = 1) : factor_(factor) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {{inputs[0].shape}}; }
  void reference(std::span<ReferenceTensor> inputs, std::span<ReferenceTensor> outputs,
                 const StepScalars&) const override {
    for (size_t i = 0; i < inputs[0].data.size(); ++i) {
      const double x = inputs[0].data[i];
      outputs[0].data[i] = static_cast<double>(factor_) * x * x * x;
    }
  }

 private:
  float factor_;
};

Graph cube_graph() {
  Graph graph(Mode::inference);
  const Value x(&graph, graph.add_input("x", {{3}}));
  graph.set_output("y", apply(std::make_shared<CubeOp>(2.0F), {x}).id());
  return graph;
}

std::vector<float> run(const Backend& backend, const Graph& graph) {
  Program program(graph, {.backend = backend});
  Variables variables(backend);
  variables.add(graph, 1);
  Buffer arena = backend.allocate(program.arena_bytes());
  program.bind(variables, arena);
  program.write("x", std::vector<float>{1, -2, 0.5F});
  program.run({});
  return program.read("y");
}

TEST(Backends, AnOwnOpIsRunByItsReferenceOnEach) {
  EXPECT_THAT([] { Program program(cube_graph()); },
              ThrowsMessage<Error>(HasSubstr("test_cube: no kernel of the backend 'cpu' takes it (it has none)")));
  add_op(op_type<CubeOp>());
  EXPECT_THROW(add_op(op_type<CubeOp>()), InternalError);
  EXPECT_THAT(run(cpu_backend(), cube_graph()), ElementsAre(2, -16, 0.25F));
  EXPECT_THAT(run(reference_backend(), cube_graph()), ElementsAre(2, -16, 0.25F));
}

TEST(Backends, AreFoundByName) {
  EXPECT_EQ(&find_backend("cpu"), &cpu_backend());
  EXPECT_EQ(&find_backend("reference"), &reference_backend());
  EXPECT_THAT([] { find_backend("referense"); }, ThrowsMessage<UsageError>(HasSubstr("'reference'")));
}

// A tensor of a type that no kernel takes is refused when it is planned.
TEST(Backends, TypesThatNobodyTakesAreRefusedByName) {
  Graph graph(Mode::inference);
  const ValueId x = graph.add_input("x", {{4, 4}, DType::f16});
  graph.set_output("y", softmax({&graph, x}).id());
  EXPECT_THAT([&] { Program program(graph); }, ThrowsMessage<Error>(HasSubstr("it takes F32, not F16")));
}

TEST(Backends, VariablesOfAnotherBackendAreRefused) {
  const Graph graph = cube_graph();
  Program program(graph, {.backend = reference_backend()});
  Variables variables;
  Buffer arena(program.arena_bytes());
  EXPECT_THAT([&] { program.bind(variables, arena); }, ThrowsMessage<Error>(HasSubstr("'cpu'")));
}

// The pointer of what is not f32 in host memory is not handed out.
TEST(Backends, TheReferenceKeepsDoubles) {
  Graph graph(Mode::inference);
  const Builder b(graph);
  const Value x(&graph, graph.add_input("x", {{1, 3}}));
  graph.set_output("y", linear(b / "fc", x, {.out_features = 2}).id());
  Variables variables(reference_backend());
  variables.add(graph, 1);
  EXPECT_EQ(variables.at("fc.weight").view.dtype, DType::f64);
  EXPECT_THROW(variables.at("fc.weight").floats(), Error);
  variables.write("fc.weight", std::vector<float>{1, 2, 3, 4, 5, 6});
  EXPECT_THAT(variables.read("fc.weight"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THROW(variables.write("fc.weight", std::vector<float>(5)), Error);
}

}  // namespace
}  // namespace convoy
