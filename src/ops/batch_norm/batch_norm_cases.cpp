#include "convoy/ops.h"
#include "graph/graph.h"
#include "kernels/conv_args.h"
#include "ops/append.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/conv2d/conv2d.h"
#include "ops/op_case.h"

namespace convoy {
namespace {

// A batch norm of x with what passes would fuse into it.
Value fused(Builder b, Value x, BatchNormAttributes attributes, ValueId residual = kNoValue,
            ValueId statistics = kNoValue) {
  const Shape channels{x.channels()};
  attributes.training = b.mode() == Mode::training;
  const std::vector<ValueId> inputs = {x.id(),
                                       b.parameter("weight", channels, Initializer::constant(1)).id(),
                                       b.parameter("bias", channels, Initializer::constant(0)).id(),
                                       b.state("running_mean", channels, Initializer::constant(0)).id(),
                                       b.state("running_var", channels, Initializer::constant(1)).id(),
                                       residual,
                                       statistics};
  return {&b.graph(), b.graph().add_node(std::make_shared<BatchNormOp>(attributes), inputs)[0]};
}

// A convolution that gives its output's statistics, and the batch norm that takes them.
Value after_convolution(Builder b, Value x) {
  const ConvAttributes conv{.kernel = 3, .padding = 1};
  const Value weight = b.parameter("conv_weight", {3, 3, x.channels(), 24}, Initializer::constant(1));
  const auto outputs =
      b.graph().add_node(std::make_shared<Conv2dOp>(conv, true), {x.id(), weight.id(), kNoValue, kNoValue});
  const BatchNormAttributes attributes{.activation = Activation::relu,
                                       .statistics_pixels = kernels::statistics_pixels(conv.geometry(x.shape(), 24))};
  return fused(b / "bn", Value(&b.graph(), outputs[0]), attributes, kNoValue, outputs[1]);
}

}  // namespace

std::vector<OpCase> batch_norm_cases() {
  const auto plain = [](std::string name, Shape shape, Mode mode) {
    return OpCase{
        "batch_norm/" + name,
        {{shape, -3, 5}},
        [](Builder b, const std::vector<Value>& in) { return std::vector<Value>{batch_norm(b / "bn", in[0])}; },
        mode};
  };
  const auto activated = [](Activation activation, Shape shape, Mode mode) {
    return OpCase{"batch_norm/" + std::string(to_string(activation)),
                  {{shape, -3, 3}},
                  [activation](Builder b, const std::vector<Value>& in) {
                    return std::vector<Value>{fused(b / "bn", in[0], {.activation = activation})};
                  },
                  mode};
  };
  const auto with_residual = [](Activation activation, Shape shape) {
    return OpCase{"batch_norm/residual_" + std::string(to_string(activation)),
                  {{shape, -3, 3}, {shape, -3, 3}},
                  [activation](Builder b, const std::vector<Value>& in) {
                    return std::vector<Value>{fused(b / "bn", in[0], {.activation = activation}, in[1].id())};
                  }};
  };
  const auto applied = [](Activation activation, Shape shape, bool residual) {
    const Shape channels{shape[-1]};
    std::vector<OpCase::Input> inputs{{shape, -3, 3, false}};
    for (int i = 0; i < 4; ++i) inputs.push_back({channels, 0.1F, 2, false});
    if (residual) inputs.push_back({shape, -3, 3, false});
    return OpCase{"batch_norm/apply_" + std::string(to_string(activation)), inputs,
                  [activation](Builder, const std::vector<Value>& in) {
                    std::vector<Value> all = in;
                    all.resize(6);
                    return std::vector<Value>{append(std::make_shared<BatchNormApplyOp>(activation), all)};
                  }};
  };
  return {
      plain("map", {3, 7, 5, 24}, Mode::training),
      plain("vectors", {33, 130}, Mode::training),
      plain("three_channels", {2, 31, 17, 3}, Mode::training),
      plain("inference", {2, 5, 5, 40}, Mode::inference),
      activated(Activation::relu, {2, 9, 9, 16}, Mode::training),
      activated(Activation::relu6, {2, 5, 9, 40}, Mode::inference),
      activated(Activation::silu, {2, 7, 7, 20}, Mode::training),
      activated(Activation::hard_swish, {2, 7, 7, 36}, Mode::training),
      with_residual(Activation::none, {2, 5, 5, 48}),
      with_residual(Activation::relu, {2, 5, 5, 33}),
      with_residual(Activation::gelu, {2, 5, 3, 16}),
      {"batch_norm/used_twice",
       {{{2, 5, 5, 16}}},
       [](Builder b, const std::vector<Value>& in) {
         return std::vector<Value>{add(relu(batch_norm(b / "bn", in[0])), in[0])};
       }},
      {"batch_norm/statistics_of_convolution",
       {{{2, 11, 9, 8}}},
       [](Builder b, const std::vector<Value>& in) { return std::vector<Value>{after_convolution(b, in[0])}; }},
      applied(Activation::silu, {2, 7, 7, 20}, false),
      applied(Activation::relu, {2, 5, 5, 33}, true),
  };
}

}  // namespace convoy
