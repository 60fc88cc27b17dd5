#include "ops/conv2d/conv2d.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"
#include "graph/graph.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Conv2d, RefusesAttributesThatMeanNothing) {
  Graph graph(Mode::training);
  const Builder b(graph);
  const Value x(&graph, graph.add_input("x", {{1, 8, 8, 4}}));
  const auto refused = [&](const Conv2d& options, const char* what) {
    EXPECT_THAT([&] { conv2d(b / "conv", x, options); }, ThrowsMessage<Error>(HasSubstr(what)));
  };
  refused({.out_channels = 4, .kernel = 0}, "conv2d 'conv': expected a kernel, stride and dilation of at least 1");
  refused({.out_channels = 4, .kernel = {3, -1}}, "kernel=3x-1");
  refused({.out_channels = 4, .stride = 0}, "stride=0x0");
  refused({.out_channels = 4, .stride = {1, -1}}, "stride=1x-1");
  refused({.out_channels = 4, .kernel = 3, .padding = -1}, "padding=-1x-1");
  refused({.out_channels = 4, .kernel = 3, .dilation = {0, 1}}, "dilation=0x1");
  EXPECT_EQ(conv2d(b / "conv", x, {.out_channels = 4, .kernel = 3, .dilation = 2}).shape(), Shape({1, 4, 4, 4}));
}

TEST(Linear, TakesTwoToFourAxes) {
  Graph graph(Mode::training);
  const Builder b(graph);
  const auto result = [&](const char* name, const Shape& shape) {
    return linear(b / name, {&graph, graph.add_input(name, {shape})}, {.out_features = 7}).shape();
  };
  EXPECT_EQ(result("vectors", {5, 3}), Shape({5, 7}));
  EXPECT_EQ(result("rows", {2, 5, 3}), Shape({2, 5, 7}));
  EXPECT_EQ(result("maps", {2, 4, 5, 3}), Shape({2, 4, 5, 7}));
  EXPECT_EQ(graph.value(graph.named("maps.weight")).type.shape, Shape({1, 1, 3, 7}));
  EXPECT_THROW(result("vector", {3}), Error);
  EXPECT_THROW(result("more", {2, 2, 2, 2, 3}), Error);
}

TEST(Conv2dOp, TakesOneActivationAndThenNoAddend) {
  const Conv2dOp plain({.kernel = 3});
  EXPECT_EQ(plain.addend(), 3);
  const auto activated = plain.with_activation(Activation::relu);
  ASSERT_NE(activated, nullptr);
  EXPECT_EQ(activated->addend(), -1);
  EXPECT_EQ(to_string(activated->attributes()), "kernel=3x3 activation=relu");
  EXPECT_EQ(activated->with_activation(Activation::relu), nullptr);
  EXPECT_EQ(Conv2dOp({}, true).with_activation(Activation::relu), nullptr);  // its sums are of what is not activated
  const auto linear = LinearOp().with_activation(Activation::gelu);
  EXPECT_EQ(linear->name(), "linear");
  EXPECT_EQ(to_string(linear->attributes()), "activation=gelu");
}

}  // namespace
}  // namespace convoy
