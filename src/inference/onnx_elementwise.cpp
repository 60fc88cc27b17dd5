// Sums, products and functions, element by element.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "convoy/error.h"
#include "convoy/unary.h"
#include "inference/onnx_quantized.h"
#include "inference/onnx_tracer.h"
#include "ops/append.h"
#include "ops/quantize/quantize.h"

namespace convoy {
namespace {

Traced with_rank(OnnxTracer& tracer, const Traced& x, size_t rank) {
  if (x.is_known() || x.shape.size() == rank) return x;
  Integers shape = x.shape;
  shape.insert(shape.begin(), rank - shape.size(), 1);
  return tracer.reshaped(x, shape);
}

// The operand with the shape and order of `like`, which has the shape of the result.
Value spread(OnnxTracer& tracer, const Traced& x, const Traced& like) {
  const Value value = x.is_known() ? tracer.like_value(x, like, "constant") : tracer.ordered(x, like.axes);
  // The shapes are of one image: a known tensor has no axis that grows with their number.
  const bool same = value.shape() == like.value.shape() && (!x.is_known() || like.batch < 0);
  return same ? value : expand(value, like.value);
}

// x times `factor`, whose shape is x's or broadcasts to it. Gates and vectors of channels are multiplied as they are.
Value multiplied(OnnxTracer& tracer, const Traced& x, const Traced& factor) {
  const int channels = x.axes.back();
  const Integers& shape = factor.shape;
  const auto extent = [&](int axis) {
    const int own = axis - (x.rank() - static_cast<int>(shape.size()));
    return own < 0 ? 1 : shape[static_cast<size_t>(own)];
  };
  bool vector = x.rank() > 1, gate = x.rank() > 2 && x.batch >= 0 && !factor.is_known();
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool alone = extent(axis) == 1 && (factor.is_known() || axis != factor.batch);
    vector = vector && (axis == channels || alone);
    gate = gate && (axis == channels || axis == x.batch || extent(axis) == 1);
  }
  vector = vector && extent(channels) == x.shape[static_cast<size_t>(channels)] && factor.is_known();
  gate = gate && extent(channels) == x.shape[static_cast<size_t>(channels)] && factor.batch == x.batch;
  if (!vector && !gate) return mul(x.value, spread(tracer, factor, x));
  const Value value = factor.is_known() ? tracer.like_value(factor, x, "scale") : tracer.ordered(factor, x.axes);
  const int64_t count = x.value.channels();
  if (gate) return channel_scale(x.value, reshape(value, {value.shape().elements() / count, count}));
  // A weight has its shape from the start: no batch is to scale it.
  Traced flat = factor;
  flat.shape = {count};
  flat.one->shape = {count};
  return channel_scale(x.value, tracer.value_of(flat, {0}, "scale"));
}

OnnxConstant inverted(const OnnxConstant& x, bool reciprocal) {
  OnnxConstant result = x;
  for (float& value : std::get<1>(result.values)) value = reciprocal ? 1 / value : -value;
  return result;
}

Traced negated(OnnxTracer& tracer, const Traced& x) {
  if (!x.is_known()) return tracer.scaled(x, -1);
  return OnnxTracer::constant(inverted(*x.one, false), inverted(*x.two, false));
}

Traced reciprocal(const Traced& x) {
  if (!x.is_known()) return OnnxTracer::alike(unary(x.value, UnaryFunction::reciprocal), x);
  return OnnxTracer::constant(inverted(*x.one, true), inverted(*x.two, true));
}

// Either operand broadcast to the shape of the result, with the axes of the one that has more elements.
std::pair<Traced, Traced> operands(OnnxCall& call, Traced a, Traced b) {
  OnnxTracer& tracer = call.tracer();
  for (const Traced* x : {&a, &b}) {
    if (x->is_known() && x->one->is_integer()) call.refuse("expected floats, got integers");
  }
  const Integers shape = broadcast_shape(a.shape, b.shape, call);
  a = with_rank(tracer, a, shape.size());
  b = with_rank(tracer, b, shape.size());
  if (!a.is_known() && !b.is_known() && (a.batch != b.batch || a.before != b.before)) {
    call.refuse("the images lie along different axes");
  }
  return {a, b};
}

// x with the shape that it has with y: expanded where y has extents that it lacks.
Traced grown(OnnxTracer& tracer, const Traced& x, const Traced& y, const Integers& shape) {
  Traced result = x;
  result.shape = shape;
  if (x.shape == shape) return x;
  if (!y.is_known()) {
    result.value = expand(x.value, tracer.ordered(y, x.axes));
    return result;
  }
  if (y.shape.size() > x.shape.size()) result = with_rank(tracer, x, y.shape.size());
  Traced like = result;
  like.shape = shape;
  result.value = expand(result.value, tracer.like_value(y, like, "constant"));
  result.shape = shape;
  return result;
}

void combine(OnnxCall& call, Traced a, Traced b, bool product) {
  OnnxTracer& tracer = call.tracer();
  std::tie(a, b) = operands(call, a, b);
  const Integers shape = broadcast_shape(a.shape, b.shape, call);
  if (a.is_known() || (!b.is_known() && a.shape != shape && b.shape == shape)) std::swap(a, b);
  a = grown(tracer, with_rank(tracer, a, shape.size()), b, shape);
  const auto& known = b.one;
  if (product && known && known->floats().size() == 1 && b.source.empty()) {
    return call.set(0, tracer.scaled(a, known->floats()[0]));
  }
  call.set(0, OnnxTracer::alike(product ? multiplied(tracer, a, b) : add(a.value, spread(tracer, b, a)), a));
}

// The node whose output is that input, where it is of that operator.
const OnnxNode* made_by(OnnxCall& call, const OnnxNode& node, size_t input, std::string_view op) {
  if (input >= node.inputs.size()) return nullptr;
  const OnnxNode* producer = call.tracer().producer(node.inputs[input]);
  return producer != nullptr && producer->op == op ? producer : nullptr;
}

std::optional<float> number_of(OnnxCall& call, const OnnxNode& node, size_t input) {
  if (input >= node.inputs.size() || !call.tracer().contains(node.inputs[input])) return std::nullopt;
  return OnnxCall(call.tracer(), node).uniform(input);
}

bool near(std::optional<float> value, double expected) {
  return value && std::abs(*value - expected) < 1e-5 * std::abs(expected);
}

// The name of x where the node's output is x / sqrt(2).
std::string scaled_by_root(OnnxCall& call, const OnnxNode& node) {
  if (node.op == "Div" && near(number_of(call, node, 1), std::numbers::sqrt2)) return node.inputs[0];
  if (node.op == "Mul" && near(number_of(call, node, 1), 1 / std::numbers::sqrt2)) return node.inputs[0];
  return {};
}

// The name of x where the node's input is 1 + erf(x / sqrt(2)).
std::string erf_of(OnnxCall& call, const OnnxNode& node, size_t input) {
  const OnnxNode* sum = made_by(call, node, input, "Add");
  if (sum == nullptr || !near(number_of(call, *sum, 1), 1)) return {};
  const OnnxNode* erf = made_by(call, *sum, 0, "Erf");
  if (erf == nullptr || erf->inputs.empty()) return {};
  const OnnxNode* division = call.tracer().producer(erf->inputs[0]);
  return division == nullptr || division->inputs.size() != 2 ? std::string() : scaled_by_root(call, *division);
}

// gelu(x) as exporters write it: (x (1 + erf)) 0.5, or (0.5 x) (1 + erf), in whichever order; or x sigmoid(x).
std::string gelu_input(OnnxCall& call) {
  const OnnxNode& node = call.node();
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const OnnxNode* half = made_by(call, node, i, "Mul");
    if (half == nullptr || half->inputs.size() != 2) continue;
    for (const size_t k : {size_t{0}, size_t{1}}) {
      if (near(number_of(call, node, 1 - i), 0.5)) {
        const std::string x = erf_of(call, *half, 1 - k);
        if (!x.empty() && x == half->inputs[k]) return x;
      }
      if (near(number_of(call, *half, 1 - k), 0.5)) {
        const std::string x = erf_of(call, node, 1 - i);
        if (!x.empty() && x == half->inputs[k]) return x;
      }
    }
  }
  return {};
}

void lower_mul(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  const auto activated = [&](const Traced& x, Activation function) {
    call.set(0, OnnxTracer::alike(activation(x.value, function), x));
  };
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const OnnxNode* sigmoid = made_by(call, call.node(), i, "Sigmoid");
    if (sigmoid != nullptr && !call.input(1 - i).is_known() && sigmoid->inputs[0] == call.node().inputs[1 - i]) {
      return activated(call.input(1 - i), Activation::silu);
    }
  }
  if (const std::string x = gelu_input(call); !x.empty() && !tracer.at(x).is_known()) {
    return activated(tracer.at(x), Activation::gelu);
  }
  combine(call, call.input(0), call.input(1), true);
}

void lower_add(OnnxCall& call) { combine(call, call.input(0), call.input(1), false); }
void lower_sub(OnnxCall& call) { combine(call, call.input(0), negated(call.tracer(), call.input(1)), false); }
void lower_div(OnnxCall& call) { combine(call, call.input(0), reciprocal(call.input(1)), true); }

void lower_sum(OnnxCall& call) {
  if (call.input_count() == 1) return call.set(0, call.input(0));
  combine(call, call.input(0), call.input(1), false);
  for (size_t i = 2; i < call.input_count(); ++i) {
    combine(call, call.tracer().at(call.node().outputs[0]), call.input(i), false);
  }
}

template <UnaryFunction F>
void lower_unary(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  call.set(0, OnnxTracer::alike(unary(x.value, F), x));
}

template <Activation A>
void lower_activation(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  call.set(0, OnnxTracer::alike(activation(x.value, A), x));
}

void lower_gelu(OnnxCall& call) {
  const bool approximate = call.text("approximate", "none") == "tanh";
  const Traced& x = call.computed_input(0);
  call.set(0, OnnxTracer::alike(activation(x.value, approximate ? Activation::gelu_tanh : Activation::gelu), x));
}

void lower_neg(OnnxCall& call) { call.set(0, call.tracer().scaled(call.computed_input(0), -1)); }

// min(max(x, low), high), by relu6: exact at both ends.
Traced clipped(OnnxTracer& tracer, const Traced& x, float low, float high) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const auto activated = [](const Traced& input, Activation function) {
    return OnnxTracer::alike(activation(input.value, function), input);
  };
  const auto shifted = [&](const Traced& input, float by) { return by == 0 ? input : tracer.added(input, by); };
  if (low > high) low = high;
  if (low <= -kMost && high >= kMost) return x;
  if (high >= kMost) return shifted(activated(shifted(x, -low), Activation::relu), low);
  if (low <= -kMost) {
    const Traced upper = activated(shifted(tracer.scaled(x, -1), high), Activation::relu);
    return shifted(tracer.scaled(upper, -1), high);
  }
  if (low == high) return shifted(tracer.scaled(x, 0), low);
  const float width = (high - low) / 6;
  const Traced six = activated(tracer.scaled(shifted(x, -low), 1 / width), Activation::relu6);
  return shifted(tracer.scaled(six, width), low);
}

void lower_clip(OnnxCall& call) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const Traced& x = call.computed_input(0);
  float low = call.number("min", -kMost), high = call.number("max", kMost);
  const auto bound = [&](size_t input, float& value) {
    if (!call.has(input)) return;
    const std::vector<float> values = call.known_floats(input, "bound");
    if (values.size() != 1) call.refuse("expected one number as its bound");
    value = values[0];
  };
  bound(1, low);
  bound(2, high);
  call.set(0, clipped(call.tracer(), x, low, high));
}

Traced hard_sigmoid(OnnxTracer& tracer, const Traced& x, float alpha, float beta) {
  if (std::abs(alpha - 1.0F / 6) < 1e-6F && beta == 0.5F) {
    return OnnxTracer::alike(activation(x.value, Activation::hard_sigmoid), x);
  }
  return clipped(tracer, tracer.added(tracer.scaled(x, alpha), beta), 0, 1);
}

void lower_hard_sigmoid(OnnxCall& call) {
  const float alpha = call.number("alpha", 0.2F), beta = call.number("beta", 0.5F);
  call.set(0, hard_sigmoid(call.tracer(), call.computed_input(0), alpha, beta));
}

// x where it is above 0, and x times the slope below: slope x + (1 - slope) relu(x).
void lower_leaky_relu(OnnxCall& call) {
  const float slope = call.number("alpha", 0.01F);
  if (slope == 0.01F) return lower_activation<Activation::leaky_relu>(call);
  const Traced& x = call.computed_input(0);
  const Value positive = activation(x.value, Activation::relu);
  call.set(0, OnnxTracer::alike(add(scale(positive, 1 - slope), scale(x.value, slope)), x));
}

// The same with a slope for each channel, which is a weight.
void lower_prelu(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  const Traced& slope = call.input(1);
  if (slope.rank() > x.rank() || broadcast_shape(x.shape, slope.shape, call) != x.shape) {
    call.refuse("expected slopes that broadcast to its input");
  }
  const Value positive = activation(x.value, Activation::relu);
  const Traced negative = OnnxTracer::alike(add(x.value, scale(positive, -1)), x);
  call.set(0,
           OnnxTracer::alike(
               add(positive, multiplied(call.tracer(), negative, with_rank(call.tracer(), slope, x.shape.size()))), x));
}

void lower_pow(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  const std::optional<float> exponent =
      call.input(1).is_known() && call.input(1).one->is_integer() && call.input(1).one->integers().size() == 1
          ? std::optional(static_cast<float>(call.input(1).one->integers()[0]))
          : call.uniform(1);
  const auto set = [&](Value value) { call.set(0, OnnxTracer::alike(value, x)); };
  if (exponent == 1) return call.set(0, x);
  if (exponent == 2) return set(mul(x.value, x.value));
  if (exponent == 3) return set(mul(mul(x.value, x.value), x.value));
  if (exponent == 0.5F) return set(unary(x.value, UnaryFunction::sqrt));
  if (exponent == -0.5F) return set(unary(unary(x.value, UnaryFunction::sqrt), UnaryFunction::reciprocal));
  if (exponent == -1) return set(unary(x.value, UnaryFunction::reciprocal));
  call.refuse("expected the exponent 1, 2, 3, 0.5, -0.5 or -1");
}

void lower_softmax(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  const Traced& input = call.computed_input(0);
  const bool flattens = tracer.opset() < 13;
  const int axis = call.axis(call.integer("axis", flattens ? 1 : -1), input.rank());
  if (flattens && axis != input.rank() - 1) {
    for (int i = axis + 1; i < input.rank(); ++i) {
      if (input.shape[static_cast<size_t>(i)] != 1) call.refuse("softmax over several axes is not supported");
    }
  }
  if (axis == input.batch) call.refuse("it would mix images with one another");
  Traced x = input;
  x.axes = tracer.with_last(input, {axis});
  x.value = softmax(tracer.ordered(input, x.axes));
  call.set(0, x);
}

void lower_identity(OnnxCall& call) { call.set(0, call.input(0)); }

void lower_cast(OnnxCall& call) {
  const int64_t type = call.integer("to", 0);
  // float, half and double; half is computed as float.
  if (type != 1 && type != 10 && type != 11) call.refuse("values that depend on the images stay floats");
  call.set(0, call.computed_input(0));
}

void lower_quantize(OnnxCall& call) {
  const Traced& x = call.input(0);
  if (x.is_known()) return call.set(0, quantized_constant(call));
  const bool has_sign = makes_signed_bytes(call);
  Traced bytes = OnnxTracer::alike(append(std::make_shared<QuantizeOp>(quantization_of(call, has_sign)), {x.value}), x);
  bytes.has_sign = has_sign;
  call.set(0, bytes);
}

void lower_dequantize(OnnxCall& call) {
  const Traced& x = call.computed_input(0);
  if (!call.tracer().is_bytes(x)) call.refuse("expected what a QuantizeLinear makes");
  const Quantization quantization = quantization_of(call, x.has_sign);
  call.set(0, OnnxTracer::alike(append(std::make_shared<DequantizeOp>(quantization), {x.value}), x));
}

constexpr OnnxOp kElementwise[] = {
    {"Abs", lower_unary<UnaryFunction::abs>},
    {"Add", lower_add},
    {"Cast", lower_cast},
    {"Clip", lower_clip},
    {"DequantizeLinear", lower_dequantize},
    {"Div", lower_div},
    {"Dropout", lower_identity},
    {"Erf", lower_unary<UnaryFunction::erf>},
    {"Exp", lower_unary<UnaryFunction::exp>},
    {"Gelu", lower_gelu},
    {"HardSigmoid", lower_hard_sigmoid},
    {"HardSwish", lower_activation<Activation::hard_swish>},
    {"Identity", lower_identity},
    {"LeakyRelu", lower_leaky_relu},
    {"Log", lower_unary<UnaryFunction::log>},
    {"Mul", lower_mul},
    {"Neg", lower_neg},
    {"PRelu", lower_prelu},
    {"Pow", lower_pow},
    {"QuantizeLinear", lower_quantize},
    {"Reciprocal", lower_unary<UnaryFunction::reciprocal>},
    {"Relu", lower_activation<Activation::relu>},
    {"Sigmoid", lower_activation<Activation::sigmoid>},
    {"Softmax", lower_softmax},
    {"Sqrt", lower_unary<UnaryFunction::sqrt>},
    {"Sub", lower_sub},
    {"Sum", lower_sum},
    {"Tanh", lower_unary<UnaryFunction::tanh>},
};

}  // namespace

std::span<const OnnxOp> onnx_elementwise() { return kElementwise; }

}  // namespace convoy
