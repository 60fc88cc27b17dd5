#include "ops/map_kernels.h"
#include "ops/op_list.h"
#include "ops/pool/pool.h"

namespace convoy {
namespace {

// The geometry of a pooling op or its gradient, whose input has this shape.
kernels::PoolGeometry geometry(const NodeSpec& spec, const Shape& input) {
  return spec.as<PoolOp>().pool().geometry(input);
}

// The same of max pooling, or of those of its rows that are asked for.
kernels::PoolGeometry max_geometry(const NodeSpec& spec) {
  kernels::PoolGeometry g = geometry(spec, spec.inputs[0].shape);
  if (spec.rows_above) {
    g.rows.pad = *spec.rows_above;
    g.rows.out = spec.outputs[0].shape[1];
  }
  return g;
}

uint8_t* bytes_or_null(const View& view) { return view.data == nullptr ? nullptr : view.as<uint8_t>(); }

constexpr DType kWithPositions[] = {DType::f32, DType::u8};

template <class Map>
void run_max(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::pool_kernels().of<Map>().max(max_geometry(spec), map_input<Map>(memory, 0), map_output<Map>(memory, 0),
                                        bytes_or_null(memory.outputs[1]));
}

void run_max_bytes(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::byte_pool_kernels().max(max_geometry(spec), memory.inputs[0].as<const uint8_t>(),
                                   memory.outputs[0].as<uint8_t>());
}

template <class Map>
void run_max_grad(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::pool_kernels().of<Map>().max_backward(geometry(spec, spec.outputs[0].shape), map_input<Map>(memory, 0),
                                                 memory.inputs[1].as<const uint8_t>(), map_output<Map>(memory, 0));
}

template <class Map>
void run_average(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::pool_kernels().of<Map>().average(geometry(spec, spec.inputs[0].shape), map_input<Map>(memory, 0),
                                            map_output<Map>(memory, 0));
}

template <class Map>
void run_average_grad(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::pool_kernels().of<Map>().average_backward(geometry(spec, spec.outputs[0].shape), map_input<Map>(memory, 0),
                                                     map_output<Map>(memory, 0));
}

constexpr DType kBytes[] = {DType::u8};
constexpr Kernel kMax[] = {{.name = "bytes", .run = run_max_bytes, .accepts = kBytes},
                           {.name = "simd", .run = run_max<float>, .accepts = kWithPositions},
                           bf16_kernel(run_max<Bf16>)};
constexpr Kernel kMaxGrad[] = {{.name = "simd", .run = run_max_grad<float>, .accepts = kWithPositions},
                               bf16_kernel(run_max_grad<Bf16>)};
constexpr Kernel kAverage[] = {{.name = "simd", .run = run_average<float>}, bf16_kernel(run_average<Bf16>)};
constexpr Kernel kAverageGrad[] = {{.name = "simd", .run = run_average_grad<float>},
                                   bf16_kernel(run_average_grad<Bf16>)};

}  // namespace

std::vector<KernelTable> pool_kernels() {
  return {{MaxPoolOp::kName, kMax},
          {MaxPoolGradOp::kName, kMaxGrad},
          {AvgPoolOp::kName, kAverage},
          {AvgPoolGradOp::kName, kAverageGrad}};
}

}  // namespace convoy
