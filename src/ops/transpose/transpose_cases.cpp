#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> transpose_cases() {
  const auto transposed = [](std::vector<int> axes) {
    return [axes](Builder, const std::vector<Value>& in) { return std::vector<Value>{transpose(in[0], axes)}; };
  };
  return {
      {"transpose/matrix", {{{7, 19}}}, transposed({1, 0})},
      {"transpose/to_nchw", {{{2, 5, 3, 7}}}, transposed({0, 3, 1, 2})},
      {"transpose/channel_shuffle", {{{2, 3, 3, 4, 5}}}, transposed({0, 1, 2, 4, 3})},
      {"transpose/bytes", {{{2, 5, 3, 7}, 0, 255, false, DType::u8}}, transposed({0, 3, 1, 2}), Mode::inference},
      {"transpose/outer", {{{4, 5, 6}}}, transposed({1, 0, 2})},
  };
}

}  // namespace convoy
