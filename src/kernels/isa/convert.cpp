#include "kernels/convert.h"

#include "kernels/isa/tiles.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

template <class From, class To>
void convert(int64_t count, const From* input, To* output) {
  parallel_each_pair(count, false, [&](int64_t i, auto part) { part.store(output + i, part.load(input + i)); });
}

}  // namespace

const ConvertKernels& convert_kernels() {
  static constexpr ConvertKernels kKernels{convert<Bf16, float>, convert<float, Bf16>};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
