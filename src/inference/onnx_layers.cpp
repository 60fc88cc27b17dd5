// Convolutions, matrix products, norms and pooling.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "convoy/error.h"
#include "inference/onnx_quantized.h"
#include "inference/onnx_tracer.h"
#include "ops/append.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/conv2d/conv2d.h"
#include "ops/group_norm/group_norm.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/quantized_conv2d/quantized_conv2d.h"

namespace convoy {
namespace {

// Where the windows of a convolution or of pooling lie.
struct Windows {
  Size2 kernel = 1, stride = 1, dilation = 1;
  Size2 before = 0, after = 0;  // padding
};

Size2 pair_of(const OnnxCall& call, const Integers& values, std::string_view what, int64_t least) {
  if (values.size() != 2 || values[0] < least || values[1] < least || values[0] > 65536 || values[1] > 65536) {
    call.refuse(fmt::format("expected {} of two axes, got {{{}}}", what, fmt::join(values, ", ")));
  }
  return {values[0], values[1]};
}

// An input {N, C, ...}, with its channels last.
Traced with_channels_last(const OnnxCall& call, Traced x, int least_rank) {
  if (x.rank() < least_rank || x.batch > 0 || x.before > 1) {
    call.refuse(fmt::format("expected an input {{N, C, ...}}, got {{{}}}", fmt::join(x.shape, ", ")));
  }
  const Axes axes = call.tracer().channels_last(x);
  x.value = call.tracer().ordered(x, axes);
  x.axes = axes;
  return x;
}

Traced channels_last_input(const OnnxCall& call, int least_rank) {
  return with_channels_last(call, call.computed_input(0), least_rank);
}

Traced maps_of(const OnnxCall& call) {
  Traced maps = channels_last_input(call, 3);
  if (maps.rank() != 4)
    call.refuse(fmt::format("expected maps {{N, C, H, W}}, got {{{}}}", fmt::join(maps.shape, ", ")));
  return maps;
}

// Padding before and after an axis so that there are ceil(extent / stride) windows.
std::pair<int64_t, int64_t> same_padding(int64_t extent, int64_t kernel, int64_t stride, int64_t dilation, bool lower) {
  const int64_t windows = (extent + stride - 1) / stride;
  const int64_t all = std::max<int64_t>(0, (windows - 1) * stride + (kernel - 1) * dilation + 1 - extent);
  const int64_t less = all / 2, more = all - less;
  return lower ? std::pair(more, less) : std::pair(less, more);
}

Windows windows_of(const OnnxCall& call, const Traced& x, const Integers& kernel) {
  Windows windows;
  windows.kernel = pair_of(call, call.integers("kernel_shape", kernel), "a kernel", 1);
  windows.stride = pair_of(call, call.integers("strides", {1, 1}), "strides", 1);
  windows.dilation = pair_of(call, call.integers("dilations", {1, 1}), "dilations", 1);
  const std::string automatic = call.text("auto_pad", "NOTSET");
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    const bool lower = automatic == "SAME_LOWER";
    const auto [top, bottom] = same_padding(x.shape[2], windows.kernel.h, windows.stride.h, windows.dilation.h, lower);
    const auto [left, right] = same_padding(x.shape[3], windows.kernel.w, windows.stride.w, windows.dilation.w, lower);
    windows.before = {top, left};
    windows.after = {bottom, right};
    return windows;
  }
  if (automatic == "VALID") return windows;
  if (automatic != "NOTSET") call.refuse(fmt::format("unknown auto_pad {}", automatic));
  const Integers pads = call.integers("pads", {0, 0, 0, 0});
  if (pads.size() != 4) call.refuse("expected pads of two axes");
  windows.before = pair_of(call, {pads[0], pads[1]}, "pads", 0);
  windows.after = pair_of(call, {pads[2], pads[3]}, "pads", 0);
  return windows;
}

// Takes what an op pads on either side off the windows' padding, and pads the maps with the rest.
Traced padded_maps(OnnxCall& call, Traced maps, Size2 before, Size2 after, float fill) {
  if (before.h > 0 || after.h > 0) maps = call.tracer().padded(maps, 2, before.h, after.h, fill);
  if (before.w > 0 || after.w > 0) maps = call.tracer().padded(maps, 3, before.w, after.w, fill);
  return maps;
}

// {O, I, H, W} -> {H, W, I, O}.
std::vector<float> inside_out(const std::vector<float>& values, const Integers& shape) {
  const size_t out = static_cast<size_t>(shape[0]), rest = values.size() / out;
  const auto in = static_cast<size_t>(shape[1]);
  const size_t pixels = rest / in;
  std::vector<float> result(values.size());
  for (size_t o = 0; o < out; ++o) {
    for (size_t i = 0; i < in; ++i) {
      for (size_t p = 0; p < pixels; ++p) result[(p * in + i) * out + o] = values[(o * in + i) * pixels + p];
    }
  }
  return result;
}

Value vector_of(OnnxCall& call, size_t input, std::string_view leaf, int64_t extent, bool trained, Role role) {
  const std::vector<float> values = call.known_floats(input, leaf);
  if (std::ssize(values) != extent) {
    call.refuse(fmt::format("expected {} elements of its {}, got {}", extent, leaf, values.size()));
  }
  OnnxTracer& tracer = call.tracer();
  const Traced& x = call.input(input);
  return tracer.weight(tracer.weight_name(x, call.node(), leaf), x.source, {extent}, values, FileLayout::same, trained,
                       role);
}

void lower_conv(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  const std::vector<float> weight = call.known_floats(1, "weight");
  const Integers shape = call.input(1).shape;
  if (shape.size() != 4) call.refuse("expected a weight {O, I, H, W}");
  Traced maps = maps_of(call);
  const Windows windows = windows_of(call, maps, {shape[2], shape[3]});
  if (windows.kernel != Size2(shape[2], shape[3])) call.refuse("its kernel is not that of the weight");
  const int64_t groups = call.integer("group", 1);
  if (groups < 1 || shape[0] % groups != 0 || maps.shape[1] != shape[1] * groups) {
    call.refuse(
        fmt::format("expected {} channels for its weight and groups, got {}", shape[1] * groups, maps.shape[1]));
  }
  // On either side alike, and more below and at the right; only what is more above or at the left is padded before.
  const Size2 both(std::min(windows.before.h, windows.after.h), std::min(windows.before.w, windows.after.w));
  const Size2 above(windows.before.h - both.h, windows.before.w - both.w);
  maps = padded_maps(call, maps, above, 0, 0);
  const ConvAttributes attributes{.kernel = windows.kernel,
                                  .stride = windows.stride,
                                  .padding = both,
                                  .extra_padding = {windows.after.h - both.h, windows.after.w - both.w},
                                  .dilation = windows.dilation,
                                  .groups = groups};
  Value bias;
  if (call.has(2)) bias = vector_of(call, 2, "bias", shape[0], true, Role::other);
  const Shape inside{shape[2], shape[3], shape[1], shape[0]};
  const auto operands = above == Size2(0) ? quantized_operands(call, 0) : std::nullopt;
  if (operands) {
    const Traced bytes = with_channels_last(call, operands->bytes, 4);
    const Value filters =
        operands->weight_variable(tracer, inside, inside_out(operands->levels, shape), FileLayout::conv);
    maps.value =
        append(std::make_shared<QuantizedConv2dOp>(attributes, QuantizedLayer{.input = operands->quantization}),
               {bytes.value, filters, operands->scale_variable(tracer), bias, Value()});
  } else {
    const Traced& known = call.input(1);
    const Value filters = tracer.weight(tracer.weight_name(known, call.node(), "weight"), known.source, inside,
                                        inside_out(weight, shape), FileLayout::conv, true);
    maps.value = append(std::make_shared<Conv2dOp>(attributes), {maps.value, filters, bias, Value()});
  }
  maps.shape = {maps.shape[0], shape[0], maps.value.shape()[1], maps.value.shape()[2]};
  call.set(0, maps);
}

// What a linear layer multiplies with its weight: the value with these axes, K the last.
struct Rows {
  const Traced& x;
  Axes axes;
};

// x {..., K} times the matrix {K, N}, plus the known vector `bias` where there is one.
Value linear_value(OnnxCall& call, const Rows& rows_of, const Traced& weight, bool transposed, float factor,
                   const OnnxCall* bias, size_t bias_input, float bias_factor) {
  OnnxTracer& tracer = call.tracer();
  const auto rank = weight.shape.size();
  const int64_t rows = weight.shape[rank - 2], columns = weight.shape[rank - 1];
  const int64_t in = transposed ? columns : rows, out = transposed ? rows : columns;
  const bool may_be_bytes = factor == 1 && call.integer("transA", 0) == 0;
  const auto operands = may_be_bytes ? quantized_operands(call, transposed ? 0 : 1) : std::nullopt;
  const Value x = tracer.ordered(operands ? operands->bytes : rows_of.x, rows_of.axes);
  if (x.channels() != in) call.refuse(fmt::format("expected rows of {} for its weight, got {}", in, x.channels()));
  std::vector<float> values = operands ? operands->levels : weight.one->floats();
  if (transposed) values = inside_out(values, {out, in});
  for (float& value : values) value *= factor;
  const bool head = tracer.is_head(call.node()) && !operands;
  const Shape inside{1, 1, in, out};
  const Value matrix = operands
                           ? operands->weight_variable(tracer, inside, values, FileLayout::linear)
                           : tracer.weight(tracer.weight_name(weight, call.node(), "weight"), weight.source, inside,
                                           values, FileLayout::linear, true, head ? Role::head_weight : Role::other);
  Value vector;
  if (bias != nullptr) {
    const Traced& known = bias->input(bias_input);
    std::vector<float> terms = known.one->floats();
    if (terms.size() == 1) terms.assign(static_cast<size_t>(out), terms[0]);
    for (float& term : terms) term *= bias_factor;
    vector = tracer.weight(tracer.weight_name(known, call.node(), "bias"), known.source, {out}, terms, FileLayout::same,
                           true, head ? Role::head_bias : Role::other);
  }
  // Linear layers take up to four axes.
  const Shape shape = x.shape();
  const Value rows_of_x = shape.rank() > 4 || shape.rank() < 2 ? reshape(x, {shape.elements() / in, in}) : x;
  const Value result =
      operands ? append(std::make_shared<QuantizedLinearOp>(QuantizedLayer{.input = operands->quantization}),
                        {rows_of_x, matrix, operands->scale_variable(tracer), vector, Value()})
               : append(std::make_shared<LinearOp>(), {rows_of_x, matrix, vector, Value()});
  if (rows_of_x.id() == x.id()) return result;
  Integers extents(shape.extents().begin(), shape.extents().end());
  extents.back() = out;
  return reshape(result, Shape(std::span<const int64_t>(extents)));
}

// Whether a known input is a vector along the last of the axes, or one number: a bias.
bool is_bias(const OnnxCall& call, size_t input, int64_t out) {
  const Traced& x = call.input(input);
  if (!x.is_known() || x.one->is_integer() || x.batch >= 0) return false;
  const auto count = std::ssize(x.one->floats());
  return count == 1 || (count == out && !x.shape.empty() && x.shape.back() == out);
}

void lower_gemm(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  const float alpha = call.number("alpha", 1), beta = call.number("beta", 1);
  Traced a = call.input(0);
  if (a.is_known() || a.rank() != 2) call.refuse("expected a matrix that depends on the images as its first input");
  if (call.integer("transA", 0) != 0) a = tracer.transposed(a, {1, 0});
  const Traced& b = call.input(1);
  const bool transposed = call.integer("transB", 0) != 0;
  if (b.rank() != 2) call.refuse("expected a matrix as its second input");
  const int64_t out = b.shape[transposed ? 0 : 1];
  const Axes axes{0, 1};
  Value value;
  const bool has_bias = call.has(2) && is_bias(call, 2, out);
  if (b.is_known()) {
    if (b.one->is_integer()) call.refuse("expected floats");
    value = linear_value(call, {a, axes}, b, transposed, alpha, has_bias ? &call : nullptr, 2, beta);
  } else {
    value = scale(matmul(tracer.ordered(a, axes), tracer.ordered(b, axes), false, transposed), alpha);
  }
  Traced result = OnnxTracer::computed(value, axes, {a.shape[0], out}, a.batch, a.before);
  if (call.has(2) && !(has_bias && b.is_known())) {
    const Traced& c = call.input(2);
    if (c.rank() > 2) call.refuse("expected at most a matrix as its third input");
    Value term;
    if (c.is_known()) {
      term = scale(expand(tracer.like_value(c, result, "bias"), value), beta);
    } else {
      Integers extents = c.shape;
      extents.insert(extents.begin(), 2 - c.shape.size(), 1);
      term = scale(expand(tracer.ordered(tracer.reshaped(c, extents), axes), value), beta);
    }
    result.value = add(value, term);
  }
  call.set(0, result);
}

// x with its axes in the order: all but the last two of the product's `rank`, the images first, then rows and columns.
Value batched(OnnxCall& call, Traced x, const Axes& order, const Traced* like) {
  OnnxTracer& tracer = call.tracer();
  if (x.is_known()) {
    if (like == nullptr) call.refuse("expected an input that depends on the images");
    Traced shaped = *like;
    shaped.axes = order;
    return tracer.like_value(x, shaped, "factor");
  }
  return tracer.ordered(x, order);
}

Traced with_rank(OnnxCall& call, const Traced& x, int rank) {
  if (x.rank() == rank || x.is_known()) return x;
  Integers shape = x.shape;
  shape.insert(shape.begin(), static_cast<size_t>(rank - x.rank()), 1);
  return call.tracer().reshaped(x, shape);
}

Traced batched_matmul(OnnxCall& call, Traced a, Traced b) {
  const int rank = std::max({a.rank(), b.rank(), 2});
  a = with_rank(call, a, rank);
  b = with_rank(call, b, rank);
  Integers left = a.shape, right = b.shape;
  left.insert(left.begin(), static_cast<size_t>(rank - a.rank()), 1);
  right.insert(right.begin(), static_cast<size_t>(rank - b.rank()), 1);
  const auto last = static_cast<size_t>(rank - 1);
  if (left[last] != right[last - 1]) call.refuse("the inner extents differ");
  const Integers outer = broadcast_shape({left.begin(), left.end() - 2}, {right.begin(), right.end() - 2}, call);
  const int batch = a.is_known() ? b.batch : a.batch;
  if (!a.is_known() && !b.is_known() && (a.batch != b.batch || a.before != b.before)) {
    call.refuse("the images lie along different axes");
  }
  const int64_t before = a.is_known() ? b.before : a.before;
  if (batch >= rank - 2) call.refuse("it would mix images with one another");
  Axes order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  if (batch > 0) std::rotate(order.begin(), order.begin() + batch, order.begin() + batch + 1);
  const Traced* like = a.is_known() ? &b : &a;
  Value x = batched(call, a, order, like), y = batched(call, b, order, like);
  if (rank > 2) {
    // Both with the outer axes of the product: {outer of the other, own rows and columns}.
    const auto spread = [&](Value value, bool is_known, Value other) {
      const Shape &to = value.shape(), &from = other.shape();
      bool same = !is_known || batch < 0;
      for (int i = 0; i + 2 < rank; ++i) {
        same = same && (to[i] == from[i] || from[i] == 1);
      }
      if (same) return value;
      const Value flat = reshape(other, {from.elements() / (from[-1] * from[-2]), from[-1] * from[-2]});
      Integers column(from.extents().begin(), from.extents().end());
      column[last] = column[last - 1] = 1;
      return expand(value, reshape(slice_channels(flat, 0, 1), Shape(std::span<const int64_t>(column))));
    };
    const Value x_before = x;
    x = spread(x, a.is_known(), y);
    y = spread(y, b.is_known(), x_before);
  }
  Integers shape = outer;
  shape.push_back(left[last - 1]);
  shape.push_back(right[last]);
  return OnnxTracer::computed(matmul(x, y), order, shape, batch, before);
}

// A vector as a matrix: a row in front of the product's sign, a column behind it.
Traced as_matrix(const OnnxCall& call, Traced x, bool is_row) {
  if (x.rank() != 1) return x;
  const Integers shape = is_row ? Integers{1, x.shape[0]} : Integers{x.shape[0], 1};
  if (!x.is_known()) return call.tracer().reshaped(x, shape);
  if (x.batch >= 0) call.refuse("expected a vector that is the same for any number of images");
  x.shape = x.one->shape = x.two->shape = shape;
  return x;
}

Traced vector_matmul(OnnxCall& call, const Traced& a, const Traced& b) {
  Traced product = batched_matmul(call, as_matrix(call, a, true), as_matrix(call, b, false));
  Integers shape = product.shape;
  if (b.rank() == 1) shape.pop_back();
  if (a.rank() == 1) shape.erase(shape.end() - (b.rank() == 1 ? 1 : 2));
  return call.tracer().reshaped(product, shape);
}

void lower_matmul(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  const Traced &a = call.input(0), &b = call.input(1);
  if (a.is_known() && b.is_known()) call.refuse("expected an input that depends on the images");
  if (a.rank() < 1 || b.rank() < 1) call.refuse("expected vectors or matrices");
  if (a.rank() == 1 || b.rank() == 1) return call.set(0, vector_matmul(call, a, b));
  if (!b.is_known() || b.rank() != 2) return call.set(0, batched_matmul(call, a, b));
  if (b.one->is_integer()) call.refuse("expected floats");
  if (a.batch == a.rank() - 1) call.refuse("it would mix images with one another");
  // A bias that only follows here is the layer's.
  const OnnxNode* next = tracer.only_consumer(call.node().outputs[0]);
  std::optional<OnnxCall> sum;
  size_t bias = 0;
  if (next != nullptr && next->op == "Add" && next->inputs.size() == 2) {
    sum.emplace(tracer, *next);
    bias = next->inputs[0] == call.node().outputs[0] ? 1 : 0;
    const bool ready = tracer.contains(next->inputs[bias]) && next->inputs[0] != next->inputs[1];
    if (!ready || !is_bias(*sum, bias, b.shape[1]) || sum->input(bias).rank() > a.rank()) sum.reset();
  }
  Traced x = a;
  x.axes = tracer.with_last(a, {a.rank() - 1});
  x.value = linear_value(call, {a, x.axes}, b, false, 1, sum ? &*sum : nullptr, bias, 1);
  x.shape.back() = b.shape[1];
  if (sum) sum->set(0, x);
  call.set(0, x);
}

Value running(OnnxCall& call, size_t input, std::string_view leaf, int64_t channels) {
  return vector_of(call, input, leaf, channels, false, Role::other);
}

void lower_batch_norm(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  if (call.integer("training_mode", 0) != 0 && tracer.opset() >= 14) call.refuse("it normalises by the batch");
  Traced x = channels_last_input(call, 2);
  const int64_t channels = x.shape[1];
  const BatchNormAttributes attributes{.eps = call.number("epsilon", 1e-5F),
                                       .momentum = 1 - call.number("momentum", 0.9F),
                                       .training = tracer.graph().mode() == Mode::training};
  x.value =
      append(std::make_shared<BatchNormOp>(attributes),
             {x.value, vector_of(call, 1, "weight", channels, true, Role::other),
              vector_of(call, 2, "bias", channels, true, Role::norm_bias), running(call, 3, "running_mean", channels),
              running(call, 4, "running_var", channels), Value(), Value()});
  call.set(0, x);
}

void lower_layer_norm(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  const Traced& input = call.computed_input(0);
  const int axis = call.axis(call.integer("axis", -1), input.rank());
  Axes last;
  int64_t extent = 1;
  for (int i = axis; i < input.rank(); ++i) {
    last.push_back(i);
    extent *= input.shape[static_cast<size_t>(i)];
  }
  Traced x = input;
  x.axes = tracer.with_last(input, last);
  const Value rows = tracer.ordered(input, x.axes);
  const Value weight = vector_of(call, 1, "weight", extent, true, Role::other);
  const Value bias =
      call.has(2) ? vector_of(call, 2, "bias", extent, true, Role::norm_bias)
                  : tracer.weight(fmt::format("{}.bias", tracer.weight_name(call.input(1), call.node(), "weight")), "",
                                  {extent}, std::vector<float>(static_cast<size_t>(extent)), FileLayout::same, false);
  const bool one_axis = last.size() == 1 && rows.shape().rank() > 1;
  const Value flat = one_axis ? rows : reshape(rows, {rows.shape().elements() / extent, extent});
  const std::vector<ValueId> outputs = tracer.graph().add_node(
      std::make_shared<LayerNormOp>(call.number("epsilon", 1e-5F)), {flat.id(), weight.id(), bias.id()});
  x.value = {&tracer.graph(), outputs[0]};
  if (!one_axis) x.value = reshape(x.value, rows.shape());
  call.set(0, x);
  // The mean and 1 / deviation of each row.
  for (const int i : last) x.shape[static_cast<size_t>(i)] = 1;
  Integers extents;
  for (const int i : x.axes) extents.push_back(x.shape[static_cast<size_t>(i)]);
  for (const size_t k : {size_t{1}, size_t{2}}) {
    if (!call.wants(k)) continue;
    x.value = reshape(Value(&tracer.graph(), outputs[k]), Shape(std::span<const int64_t>(extents)));
    call.set(k, x);
  }
}

void lower_instance_norm(OnnxCall& call) {
  Traced x = channels_last_input(call, 3);
  const int64_t channels = x.shape[1];
  x.value = append(
      std::make_shared<GroupNormOp>(GroupNormAttributes{.groups = channels, .eps = call.number("epsilon", 1e-5F)}),
      {x.value, vector_of(call, 1, "weight", channels, true, Role::other),
       vector_of(call, 2, "bias", channels, true, Role::norm_bias)});
  call.set(0, x);
}

// How much further below and at the right windows reach that are counted where numbers are rounded up.
int64_t reach(int64_t extent, int64_t kernel, int64_t stride, int64_t before, int64_t after) {
  const int64_t room = extent + before + after - kernel;
  int64_t windows = (room + stride - 1) / stride + 1;
  if ((windows - 1) * stride >= extent + before) --windows;  // the last begins within the map or before it
  return std::max<int64_t>(0, (windows - 1) * stride + kernel - extent - before - after);
}

Size2 further(const OnnxCall& call, const Traced& maps, const Windows& w) {
  if (call.integer("ceil_mode", 0) == 0) return 0;
  return {reach(maps.shape[2], w.kernel.h, w.stride.h, w.before.h, w.after.h),
          reach(maps.shape[3], w.kernel.w, w.stride.w, w.before.w, w.after.w)};
}

void set_maps(OnnxCall& call, Traced maps, Value value) {
  maps.value = value;
  maps.shape[2] = value.shape()[1];
  maps.shape[3] = value.shape()[2];
  call.set(0, maps);
}

// Whether an op of the graph pads like that: on either side alike, at most half the kernel.
bool plain_padding(const Windows& w, Size2 more) {
  return w.before == w.after && more == Size2(0) && 2 * w.before.h <= w.kernel.h && 2 * w.before.w <= w.kernel.w;
}

void lower_max_pool(OnnxCall& call) {
  if (call.wants(1)) call.refuse("only its first output is supported");
  Traced maps = maps_of(call);
  Windows windows = windows_of(call, maps, {});
  if (windows.dilation != Size2(1)) call.refuse("dilated pooling is not supported");
  const Size2 more = further(call, maps, windows);
  if (!plain_padding(windows, more)) {
    maps = padded_maps(call, maps, windows.before, {windows.after.h + more.h, windows.after.w + more.w},
                       std::numeric_limits<float>::lowest());
    windows.before = 0;
  }
  set_maps(call, maps,
           max_pool(maps.value, {.kernel = windows.kernel, .stride = windows.stride, .padding = windows.before}));
}

// 1 / the elements of the map that each window along an axis has, times the kernel's.
std::vector<float> shares(int64_t extent, int64_t kernel, int64_t stride, int64_t before, int64_t low, int64_t high,
                          int64_t windows) {
  std::vector<float> result;
  for (int64_t i = 0; i < windows; ++i) {
    const int64_t begin = std::max(i * stride - before, low),
                  end = std::min(i * stride - before + kernel, extent + high);
    result.push_back(static_cast<float>(kernel) / static_cast<float>(std::max<int64_t>(1, end - begin)));
  }
  return result;
}

void lower_avg_pool(OnnxCall& call) {
  OnnxTracer& tracer = call.tracer();
  Traced maps = maps_of(call);
  const Windows w = windows_of(call, maps, {});
  if (w.dilation != Size2(1)) call.refuse("dilated pooling is not supported");
  const bool counts = call.integer("count_include_pad", 0) != 0;
  const Size2 more = further(call, maps, w);
  if (plain_padding(w, more)) {
    return set_maps(
        call, maps,
        avg_pool(maps.value, {.kernel = w.kernel, .stride = w.stride, .padding = w.before, .count_padding = counts}));
  }
  // Zeros around the maps count; what they should not have is made good by a factor for each window.
  const int64_t height = maps.shape[2], width = maps.shape[3];
  maps = padded_maps(call, maps, w.before, {w.after.h + more.h, w.after.w + more.w}, 0);
  const Value pooled = avg_pool(maps.value, {.kernel = w.kernel, .stride = w.stride, .count_padding = true});
  const Shape shape = pooled.shape();
  const auto rows =
      shares(height, w.kernel.h, w.stride.h, w.before.h, counts ? -w.before.h : 0, counts ? w.after.h : 0, shape[1]);
  const auto columns =
      shares(width, w.kernel.w, w.stride.w, w.before.w, counts ? -w.before.w : 0, counts ? w.after.w : 0, shape[2]);
  OnnxConstant factor{{1, 1, shape[1], shape[2]}, std::vector<float>()};
  for (const float row : rows) {
    for (const float column : columns) std::get<1>(factor.values).push_back(row * column);
  }
  Traced result = maps;
  result.shape = {maps.shape[0], maps.shape[1], shape[1], shape[2]};
  result.value = pooled;
  const Value spread = expand(tracer.like_value(OnnxTracer::constant(factor, factor), result, "shares"), pooled);
  call.set(0, OnnxTracer::alike(mul(pooled, spread), result));
}

void lower_global_avg_pool(OnnxCall& call) {
  const Traced& x = call.input(0);
  if (x.is_known() || x.rank() < 3) call.refuse("expected maps that depend on the images");
  std::set<int> axes;
  for (int axis = 2; axis < x.rank(); ++axis) axes.insert(axis);
  call.set(0, call.tracer().mean(x, axes));
}

void lower_global_max_pool(OnnxCall& call) {
  Traced maps = maps_of(call);
  set_maps(call, maps, max_pool(maps.value, {.kernel = {maps.shape[2], maps.shape[3]}, .stride = 1, .padding = 0}));
}

constexpr OnnxOp kLayers[] = {
    {"AveragePool", lower_avg_pool},
    {"BatchNormalization", lower_batch_norm},
    {"Conv", lower_conv},
    {"Gemm", lower_gemm},
    {"GlobalAveragePool", lower_global_avg_pool},
    {"GlobalMaxPool", lower_global_max_pool},
    {"InstanceNormalization", lower_instance_norm},
    {"LayerNormalization", lower_layer_norm},
    {"MatMul", lower_matmul},
    {"MaxPool", lower_max_pool},
};

}  // namespace

std::span<const OnnxOp> onnx_layers() { return kLayers; }

}  // namespace convoy
