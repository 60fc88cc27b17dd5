// The kernels of scaling channel by channel.
#include "kernels/channel_scale.h"
#include "ops/channel_scale/channel_scale.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

kernels::ChannelScaleShape shape_of(const NodeSpec& spec) {
  const Shape &x = spec.inputs[0].shape, &scale = spec.inputs[1].shape;
  const int64_t channels = scale[-1], samples = scale.elements() / channels;
  return {samples, x.elements() / (samples * channels), channels};
}

constexpr Kernel kForward[] = {{.name = "simd", .run = [](const NodeSpec& spec, const NodeMemory& memory) {
                                  kernels::channel_scale_kernels().forward(shape_of(spec), memory.input(0),
                                                                           memory.input(1), memory.input(2),
                                                                           memory.output(0));
                                }}};

constexpr Kernel kGrad[] = {
    {.name = "simd",
     .workspace = [](const NodeSpec& spec) { return kernels::channel_scale_workspace(shape_of(spec)); },
     .run =
         [](const NodeSpec& spec, const NodeMemory& memory) {
           kernels::channel_scale_kernels().backward(shape_of(spec), memory.input(0), memory.input(1), memory.input(2),
                                                     memory.output(0), memory.output(1), memory.workspace);
         }}};

}  // namespace

std::vector<KernelTable> channel_scale_kernels() {
  return {{ChannelScaleOp::kName, kForward}, {ChannelScaleGradOp::kName, kGrad}};
}

}  // namespace convoy
