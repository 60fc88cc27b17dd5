// Which kernels compute a cross entropy.
#include "kernels/softmax.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

constexpr Kernel kForward[] = {
    {.name = "simd",
     .run =
         [](const NodeSpec& spec, const NodeMemory& memory) {
           const Shape& shape = spec.inputs[0].shape;
           kernels::softmax_kernels().cross_entropy(shape[0], shape[1], spec.as<CrossEntropyOp>().smoothing(),
                                                    memory.input(0), memory.input(1), memory.output(1),
                                                    memory.output(0));
         }},
};

constexpr Kernel kBackward[] = {
    {.name = "simd",
     .run =
         [](const NodeSpec& spec, const NodeMemory& memory) {
           const Shape& shape = spec.inputs[0].shape;
           kernels::softmax_kernels().cross_entropy_backward(shape[0], shape[1],
                                                             spec.as<CrossEntropyGradOp>().smoothing(), memory.input(0),
                                                             memory.input(1), memory.input(2), memory.output(0));
         }},
};

}  // namespace

std::vector<KernelTable> cross_entropy_kernels() {
  return {{CrossEntropyOp::kName, kForward}, {CrossEntropyGradOp::kName, kBackward}};
}

}  // namespace convoy
