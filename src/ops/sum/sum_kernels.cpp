// The kernel of sums.
#include <array>

#include "kernels/elementwise.h"
#include "ops/op_list.h"
#include "ops/sum/sum.h"

namespace convoy {
namespace {

// Eight terms at a time; later ones are added to what has been summed.
void run(const NodeSpec& spec, const NodeMemory& memory) {
  constexpr size_t kTerms = 8;
  std::array<const float*, kTerms> terms{};
  size_t filled = 0;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    terms[filled++] = memory.input(static_cast<int>(i));
    if (filled < kTerms && i + 1 < spec.inputs.size()) continue;
    kernels::elementwise_kernels().add(static_cast<int>(filled), spec.outputs[0].shape.elements(), terms.data(),
                                       memory.output(0));
    terms[0] = memory.output(0);
    filled = 1;
  }
}

constexpr Kernel kTable[] = {{.name = "simd", .run = run}};

}  // namespace

std::vector<KernelTable> sum_kernels() { return {{SumOp::kName, kTable}}; }

}  // namespace convoy
