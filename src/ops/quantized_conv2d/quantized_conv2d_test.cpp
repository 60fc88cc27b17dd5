#include "ops/quantized_conv2d/quantized_conv2d.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"
#include "graph/autodiff.h"
#include "graph/graph.h"
#include "ops/sum/sum.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::ThrowsMessage;

TEST(QuantizedConv2dOp, TakesWhatFollowsInOrder) {
  const QuantizedConv2dOp plain({.kernel = 3}, {.input = {0.5F, 3}});
  EXPECT_EQ(plain.addend(), QuantizedConv2dOp::kAddend);
  EXPECT_THAT(plain.in_place(), ElementsAre(Pair(0, QuantizedConv2dOp::kAddend)));
  const auto activated = plain.with_activation(Activation::relu);
  EXPECT_EQ(to_string(activated->attributes()), "kernel=3x3 in_scale=0.5 in_zero_point=3 activation=relu");
  EXPECT_EQ(activated->addend(), -1);
  EXPECT_EQ(activated->with_activation(Activation::relu), nullptr);
  const QuantizedConv2dOp rounded({}, {.input = {0.5F, 3}, .output = {0.25F, 0}});
  EXPECT_EQ(rounded.addend(), -1);
  EXPECT_EQ(rounded.with_activation(Activation::relu), nullptr);
  // An addend of floats is wider than bytes that would take its place.
  EXPECT_THAT(rounded.in_place(), IsEmpty());
  const auto linear = QuantizedLinearOp({.input = {0.5F, 3}}).with_activation(Activation::gelu);
  EXPECT_EQ(linear->name(), "quantized_linear");
  EXPECT_EQ(to_string(linear->attributes()), "in_scale=0.5 in_zero_point=3 activation=gelu");
}

TEST(QuantizedConv2dOp, RefusesSumsThat32BitsDoNotHold) {
  const QuantizedLinearOp op({.input = {0.5F, 3}});
  const auto infer = [&](int64_t depth) {
    const TensorType inputs[] = {
        {{2, depth}, DType::u8}, {{1, 1, depth, 4}, DType::i8}, {{4}}, TensorType::absent(), TensorType::absent()};
    return op.infer(inputs)[0];
  };
  EXPECT_EQ(infer(66311), (TensorType{{2, 4}}));
  EXPECT_THAT([&] { infer(66312); },
              ThrowsMessage<Error>(HasSubstr("quantized_linear: expected sums of at most 66311 products, which 32 bits "
                                             "hold, got 66312")));
}

TEST(QuantizedConv2dOp, HasNoGradient) {
  Graph graph(Mode::training);
  const ValueId x = graph.add_input("x", {{2, 3}, DType::u8}), weight = graph.add_input("w", {{1, 1, 3, 4}, DType::i8});
  const ValueId scale = graph.add_input("scale", {{4}}), bias = graph.add_input("bias", {{4}});
  const ValueId y = graph.add_node(std::make_shared<QuantizedLinearOp>(QuantizedLayer{.input = {0.5F, 3}}),
                                   {x, weight, scale, bias, kNoValue})[0];
  const std::pair<ValueId, ValueId> seed{y, graph.add_constant({2, 4}, 1)};
  EXPECT_THAT(
      [&] {
        differentiate(graph, {&seed, 1}, {bias}, std::make_shared<SumOp>(true));
      },
      ThrowsMessage<Error>(HasSubstr("quantized_linear: this op has no gradient")));
}

}  // namespace
}  // namespace convoy
