#include "ops/pool/pool.h"

#include <fmt/format.h>

#include "convoy/error.h"
#include "convoy/gradient.h"
#include "ops/append.h"
#include "ops/expect.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

kernels::PoolAxis axis(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t adaptive) {
  if (adaptive > 0) return {.in = in, .out = adaptive, .adaptive = true};
  return {
      .in = in, .out = (in + 2 * padding - kernel) / stride + 1, .kernel = kernel, .stride = stride, .pad = padding};
}

PoolAttributes windows_of(std::string_view op, const Pool2d& options) {
  const PoolAttributes pool{.kernel = options.kernel, .stride = options.stride, .padding = options.padding};
  if (!pool.kernel.at_least(1) || !pool.stride.at_least(1) || !pool.padding.at_least(0)) {
    throw Error(fmt::format("{}: expected a kernel and stride of at least 1 and a padding of at least 0, got {}", op,
                            pool.to_string()));
  }
  return pool;
}

// The shape of a max pooling's outputs, whose positions must fit into bytes.
Shape max_output_shape(const Op& op, const PoolAttributes& pool, const Shape& input) {
  const Shape output = pool.output_shape(input);
  if (pool.kernel.h * pool.kernel.w > 256) {
    throw Error(fmt::format("{}: a kernel may have 256 elements, got {}", op.name(), pool.to_string()));
  }
  return output;
}

}  // namespace

std::string PoolAttributes::to_string() const {
  AttributeWriter writer;
  describe(*this, writer);
  return convoy::to_string(writer.take());
}

bool PoolAttributes::sound() const {
  constexpr int64_t kMost = 1 << 20;
  const auto within = [](Size2 size, int64_t least) {
    return size.at_least(least) && size.h <= kMost && size.w <= kMost;
  };
  if (adaptive != Size2(0)) return within(adaptive, 1) && *this == PoolAttributes{.adaptive = adaptive};
  return within(kernel, 1) && within(stride, 1) && within(padding, 0);
}

kernels::PoolGeometry PoolAttributes::geometry(const Shape& input) const {
  if (!sound()) throw Error(fmt::format("pooling: windows cannot have {}", to_string()));
  if (input.rank() != 4) {
    throw Error(fmt::format("pooling: expected an input {{N, H, W, C}}, got {}", input.to_string()));
  }
  const bool fits = adaptive.h > 0 || (input[1] + 2 * padding.h >= kernel.h && input[2] + 2 * padding.w >= kernel.w &&
                                       2 * padding.h <= kernel.h && 2 * padding.w <= kernel.w);
  if (!fits) {
    throw Error(
        fmt::format("pooling: a {}x{} map does not fit {}; use a larger image, and at most half the kernel as "
                    "padding",
                    input[1], input[2], to_string()));
  }
  return {input[0], input[3], axis(input[1], kernel.h, stride.h, padding.h, adaptive.h),
          axis(input[2], kernel.w, stride.w, padding.w, adaptive.w), count_padding};
}

Shape PoolAttributes::output_shape(const Shape& input) const {
  const kernels::PoolGeometry g = geometry(input);
  return {g.batch, g.rows.out, g.columns.out, g.channels};
}

std::vector<TensorType> MaxPoolOp::infer(std::span<const TensorType> inputs) const {
  const Shape shape = max_output_shape(*this, pool(), inputs[0].shape);
  return {{shape, inputs[0].dtype}, training_ ? TensorType{shape, DType::u8} : TensorType::absent()};
}

void MaxPoolOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(0, scope.add(std::make_shared<MaxPoolGradOp>(pool(), scope.shape(scope.input(0))),
                                    {scope.grad_output(0), scope.output(1)})[0]);
}

std::vector<TensorType> MaxPoolGradOp::infer(std::span<const TensorType> inputs) const {
  const Shape output = max_output_shape(*this, pool(), input_);
  expect_shape(*this, inputs, 0, output);
  expect_shape(*this, inputs, 1, output);
  if (inputs[1].dtype != DType::u8) {
    throw Error(fmt::format("max_pool_grad: expected its positions as U8, got {}", to_string(inputs[1].dtype)));
  }
  return {{input_}};
}

std::vector<TensorType> AvgPoolOp::infer(std::span<const TensorType> inputs) const {
  return {{pool().output_shape(inputs[0].shape)}};
}

void AvgPoolOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(
      0, scope.add(std::make_shared<AvgPoolGradOp>(pool(), scope.shape(scope.input(0))), {scope.grad_output(0)})[0]);
}

std::vector<TensorType> AvgPoolGradOp::infer(std::span<const TensorType> inputs) const {
  expect_shape(*this, inputs, 0, pool().output_shape(input_));
  return {{input_}};
}

std::vector<OpType> pool_ops() {
  return {op_type<MaxPoolOp>(), op_type<MaxPoolGradOp>(), op_type<AvgPoolOp>(), op_type<AvgPoolGradOp>()};
}

Value max_pool(Value x, const Pool2d& options) {
  return append(std::make_shared<MaxPoolOp>(windows_of("max_pool", options), x.graph().mode() == Mode::training), {x});
}

Value avg_pool(Value x, const Pool2d& options) {
  PoolAttributes pool = windows_of("avg_pool", options);
  pool.count_padding = options.count_padding;
  return append(std::make_shared<AvgPoolOp>(pool), {x});
}

Value adaptive_avg_pool(Value x, Size2 size) {
  if (!size.at_least(1)) {
    throw Error(fmt::format("adaptive_avg_pool: expected an output of at least 1x1, got {}x{}", size.h, size.w));
  }
  return append(std::make_shared<AvgPoolOp>(PoolAttributes{.adaptive = size}), {x});
}

Value global_avg_pool(Value x) {
  const Value pooled = adaptive_avg_pool(x, 1);
  return reshape(pooled, {pooled.shape()[0], pooled.channels()});
}

}  // namespace convoy
