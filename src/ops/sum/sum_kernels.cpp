// The kernel of sums.
#include <array>

#include "kernels/elementwise.h"
#include "ops/map_kernels.h"
#include "ops/op_list.h"
#include "ops/sum/sum.h"

namespace convoy {
namespace {

// Eight terms at a time; later ones are added to what has been summed.
template <class Map>
void run(const NodeSpec& spec, const NodeMemory& memory) {
  constexpr size_t kTerms = 8;
  std::array<const Map*, kTerms> terms{};
  size_t filled = 0;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    terms[filled++] = map_input<Map>(memory, static_cast<int>(i));
    if (filled < kTerms && i + 1 < spec.inputs.size()) continue;
    kernels::elementwise_kernels().of<Map>().add(static_cast<int>(filled), spec.outputs[0].shape.elements(),
                                                 terms.data(), map_output<Map>(memory, 0));
    terms[0] = map_output<Map>(memory, 0);
    filled = 1;
  }
}

constexpr Kernel kTable[] = {{.name = "simd", .run = run<float>}, bf16_kernel(run<Bf16>)};

}  // namespace

std::vector<KernelTable> sum_kernels() { return {{SumOp::kName, kTable}}; }

}  // namespace convoy
