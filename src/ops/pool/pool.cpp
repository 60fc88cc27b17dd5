#include "ops/pool/pool.h"

#include <fmt/format.h>

#include <limits>

#include "convoy/error.h"
#include "graph/autodiff.h"
#include "ops/append.h"

namespace convoy {
namespace {

kernels::PoolAxis axis(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t adaptive) {
  if (adaptive > 0) return {.in = in, .out = adaptive, .adaptive = true};
  return {
      .in = in, .out = (in + 2 * padding - kernel) / stride + 1, .kernel = kernel, .stride = stride, .pad = padding};
}

// The geometry of a pooling op or its gradient, whose input has this shape.
kernels::PoolGeometry geometry(const NodeSpec& spec, const Shape& input) {
  return static_cast<const PoolOp&>(spec.op).pool().geometry(input);
}

PoolAttributes windows_of(std::string_view op, const Pool2d& options) {
  const PoolAttributes pool{.kernel = options.kernel, .stride = options.stride, .padding = options.padding};
  if (!pool.kernel.at_least(1) || !pool.stride.at_least(1) || !pool.padding.at_least(0)) {
    throw Error(fmt::format("{}: expected a kernel and stride of at least 1 and a padding of at least 0, got {}", op,
                            pool.to_string()));
  }
  return pool;
}

uint8_t* bytes(std::byte* memory) { return reinterpret_cast<uint8_t*>(memory); }

// Calls visit(output element, input element, first of its window) for every element of every window.
template <class Visit>
void for_each_window_element(const kernels::PoolGeometry& g, const Visit& visit) {
  int64_t output = 0;
  for (int64_t n = 0; n < g.batch; ++n) {
    for (int64_t oy = 0; oy < g.rows.out; ++oy) {
      for (int64_t ox = 0; ox < g.columns.out; ++ox) {
        for (int64_t c = 0; c < g.channels; ++c, ++output) {
          const int64_t count = (g.rows.end(oy) - g.rows.start(oy)) * (g.columns.end(ox) - g.columns.start(ox));
          for (int64_t y = g.rows.start(oy); y < g.rows.end(oy); ++y) {
            for (int64_t x = g.columns.start(ox); x < g.columns.end(ox); ++x) {
              visit(output, ((n * g.rows.in + y) * g.columns.in + x) * g.channels + c, count);
            }
          }
        }
      }
    }
  }
}

}  // namespace

std::string PoolAttributes::to_string() const {
  if (adaptive.h > 0) return fmt::format("output={}x{}", adaptive.h, adaptive.w);
  return fmt::format("kernel={}x{} stride={}x{} padding={}x{}", kernel.h, kernel.w, stride.h, stride.w, padding.h,
                     padding.w);
}

kernels::PoolGeometry PoolAttributes::geometry(const Shape& input) const {
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
  if (pool().kernel.h * pool().kernel.w > 256) {
    throw Error(fmt::format("max_pool: a kernel may have 256 elements, got {}", pool().to_string()));
  }
  const Shape shape = pool().output_shape(inputs[0].shape);
  return {{shape}, training_ ? TensorType{shape, DType::u8} : TensorType::absent()};
}

void MaxPoolOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(0, scope.add(std::make_shared<MaxPoolGradOp>(pool(), scope.shape(scope.input(0))),
                                    {scope.grad_output(0), scope.output(1)})[0]);
}

void MaxPoolOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  outputs[0].data.assign(outputs[0].data.size(), -std::numeric_limits<double>::infinity());
  for_each_window_element(pool().geometry(inputs[0].type.shape), [&](int64_t output, int64_t input, int64_t) {
    double& best = outputs[0].begin()[output];
    best = std::max(best, inputs[0].begin()[input]);
  });
}

std::span<const Kernel> MaxPoolOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, [](const NodeSpec& spec, const NodeMemory& memory) {
                                         kernels::pool_kernels().max(geometry(spec, spec.inputs[0].shape),
                                                                     memory.input(0), memory.output(0),
                                                                     bytes(memory.outputs[1]));
                                       }}};
  return kTable;
}

std::span<const Kernel> MaxPoolGradOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, [](const NodeSpec& spec, const NodeMemory& memory) {
                                         kernels::pool_kernels().max_backward(geometry(spec, spec.outputs[0].shape),
                                                                              memory.input(0), bytes(memory.inputs[1]),
                                                                              memory.output(0));
                                       }}};
  return kTable;
}

void AvgPoolOp::gradient(GradientScope& scope) const {
  scope.set_grad_input(
      0, scope.add(std::make_shared<AvgPoolGradOp>(pool(), scope.shape(scope.input(0))), {scope.grad_output(0)})[0]);
}

void AvgPoolOp::reference(std::span<const ReferenceTensor> inputs, std::span<ReferenceTensor> outputs) const {
  const int64_t whole = pool().count_padding ? pool().kernel.h * pool().kernel.w : 0;
  for_each_window_element(pool().geometry(inputs[0].type.shape), [&](int64_t output, int64_t input, int64_t count) {
    outputs[0].begin()[output] += inputs[0].begin()[input] / static_cast<double>(whole > 0 ? whole : count);
  });
}

std::span<const Kernel> AvgPoolOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, [](const NodeSpec& spec, const NodeMemory& memory) {
                                         kernels::pool_kernels().average(geometry(spec, spec.inputs[0].shape),
                                                                         memory.input(0), memory.output(0));
                                       }}};
  return kTable;
}

std::span<const Kernel> AvgPoolGradOp::kernels() const {
  static constexpr Kernel kTable[] = {{"simd", nullptr, nullptr, [](const NodeSpec& spec, const NodeMemory& memory) {
                                         kernels::pool_kernels().average_backward(geometry(spec, spec.outputs[0].shape),
                                                                                  memory.input(0), memory.output(0));
                                       }}};
  return kTable;
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
