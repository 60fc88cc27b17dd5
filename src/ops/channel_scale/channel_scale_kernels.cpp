// The kernels of scaling channel by channel.
#include "kernels/channel_scale.h"
#include "ops/channel_scale/channel_scale.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

kernels::ChannelScaleShape shape_of(const NodeSpec& spec) {
  const Shape &x = spec.inputs[0].shape, &scale = spec.inputs[1].shape;
  const int64_t channels = scale[-1], samples = scale.elements() / channels;
  return {samples, x.elements() / (samples * channels), channels};
}

size_t workspace(const NodeSpec& spec) { return kernels::channel_scale_workspace(shape_of(spec)); }

template <class Map>
void run_forward(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::channel_scale_kernels().of<Map>().forward(shape_of(spec), map_input<Map>(memory, 0), memory.input(1),
                                                     map_input<Map>(memory, 2), map_output<Map>(memory, 0));
}

template <class Map>
void run_backward(const NodeSpec& spec, const NodeMemory& memory) {
  kernels::channel_scale_kernels().of<Map>().backward(shape_of(spec), map_input<Map>(memory, 0), memory.input(1),
                                                      map_input<Map>(memory, 2), map_output<Map>(memory, 0),
                                                      memory.output(1), memory.workspace);
}

constexpr Kernel kForward[] = {{.name = "simd", .run = run_forward<float>}, bf16_kernel(run_forward<Bf16>)};
constexpr Kernel kGrad[] = {{.name = "simd", .workspace = workspace, .run = run_backward<float>},
                            bf16_kernel(run_backward<Bf16>, workspace)};

}  // namespace

std::vector<KernelTable> channel_scale_kernels() {
  return {{ChannelScaleOp::kName, kForward}, {ChannelScaleGradOp::kName, kGrad}};
}

}  // namespace convoy
