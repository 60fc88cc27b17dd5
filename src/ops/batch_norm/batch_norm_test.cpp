#include "ops/batch_norm/batch_norm.h"

#include <gtest/gtest.h>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/graph.h"

namespace convoy {
namespace {

// The message of the Error that build() throws.
template <class Build>
std::string error_of(const Build& build) {
  try {
    build();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Normalisation, ErrorsNameTheOpAndWhatCame) {
  Graph graph(Mode::training);
  const Builder b(graph);
  const auto input = [&](const char* name, const Shape& shape) {
    return Value(&graph, graph.add_input(name, {shape}));
  };
  const Value vector = input("vector", {8}), one = input("one", {1, 1, 1, 8}), map = input("map", {2, 3, 3, 8});
  EXPECT_EQ(error_of([&] { batch_norm(b / "bn1", vector); }), "batch_norm 'bn1': expected a tensor {N, ..., C}, got 8");
  EXPECT_EQ(error_of([&] { group_norm(b / "gn", map, 3); }), "group_norm: 8 channels do not divide into 3 groups");
  const auto node = [&](int64_t statistics_pixels, ValueId residual, ValueId statistics) {
    const ValueId c = vector.id();
    graph.add_node(std::make_shared<BatchNormOp>(BatchNormAttributes{.statistics_pixels = statistics_pixels}),
                   {map.id(), c, c, c, c, residual, statistics});
  };
  EXPECT_EQ(error_of([&] { node(0, one.id(), kNoValue); }),
            "batch_norm: expected its residual to be 2x3x3x8, got 1x1x1x8");
  EXPECT_EQ(error_of([&] {
              node(6, kNoValue, input("statistics", {2, 2, 8}).id());
            }),
            "batch_norm: expected its statistics to be 3x2x8, got 2x2x8");
}

TEST(BatchNormOp, TakesOneActivationAndThenNoAddend) {
  const BatchNormOp plain(BatchNormAttributes{.training = true});
  EXPECT_EQ(plain.addend(), BatchNormOp::kResidual);
  const auto activated = plain.with_activation(Activation::relu);
  ASSERT_NE(activated, nullptr);
  EXPECT_EQ(to_string(activated->attributes()), "eps=1e-05 training momentum=0.1 activation=relu");
  EXPECT_EQ(activated->addend(), -1);
  EXPECT_EQ(activated->with_activation(Activation::relu), nullptr);
}

}  // namespace
}  // namespace convoy
