#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> matmul_cases() {
  const auto product = [](bool transpose_a, bool transpose_b) {
    return [=](Builder, const std::vector<Value>& in) {
      return std::vector<Value>{matmul(in[0], in[1], transpose_a, transpose_b)};
    };
  };
  return {
      {"matmul/plain", {{{5, 7}}, {{7, 70}}}, product(false, false)},
      {"matmul/transpose_a", {{{2, 7, 5}}, {{2, 7, 19}}}, product(true, false)},
      {"matmul/transpose_b", {{{2, 3, 13, 8}}, {{2, 3, 9, 8}}}, product(false, true)},
      {"matmul/transpose_both", {{{3, 7, 5}}, {{3, 19, 7}}}, product(true, true)},
  };
}

}  // namespace convoy
