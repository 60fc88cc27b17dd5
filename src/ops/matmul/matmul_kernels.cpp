#include "ops/matmul/matmul.h"
#include "ops/op_list.h"

namespace convoy {
namespace {

kernels::MatmulShape geometry(const NodeSpec& spec) {
  return spec.as<MatmulOp>().geometry(spec.inputs[0].shape, spec.inputs[1].shape);
}

constexpr Kernel kMatmul[] = {{
    .name = "simd",
    .workspace = [](const NodeSpec& spec) { return kernels::matmul_workspace(geometry(spec)); },
    .run =
        [](const NodeSpec& spec, const NodeMemory& memory) {
          kernels::matmul_kernels().run(geometry(spec), memory.input(0), memory.input(1), memory.output(0),
                                        memory.workspace);
        },
}};

}  // namespace

std::vector<KernelTable> matmul_kernels() { return {{MatmulOp::kName, kMatmul}}; }

}  // namespace convoy
