// Which kernels compute a softmax.
#include "kernels/softmax.h"
#include "ops/op_list.h"
#include "ops/softmax/softmax.h"

namespace convoy {
namespace {

constexpr Kernel kForward[] = {
    {.name = "simd",
     .run =
         [](const NodeSpec& spec, const NodeMemory& memory) {
           const Shape& shape = spec.inputs[0].shape;
           kernels::softmax_kernels().forward(shape.elements() / shape[-1], shape[-1], memory.input(0),
                                              memory.output(0));
         }},
};

constexpr Kernel kBackward[] = {
    {.name = "simd",
     .run =
         [](const NodeSpec& spec, const NodeMemory& memory) {
           const Shape& shape = spec.inputs[0].shape;
           kernels::softmax_kernels().backward(shape.elements() / shape[-1], shape[-1], memory.input(0),
                                               memory.input(1), memory.output(0));
         }},
};

}  // namespace

std::vector<KernelTable> softmax_kernels() { return {{SoftmaxOp::kName, kForward}, {SoftmaxGradOp::kName, kBackward}}; }

}  // namespace convoy
