#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> softmax_cases() {
  const auto probabilities = [](Builder, const std::vector<Value>& in) { return std::vector<Value>{softmax(in[0])}; };
  return {
      {"softmax/ten_classes", {{{5, 10}, -4, 4}}, probabilities},
      {"softmax/attention", {{{2, 3, 7, 49}, -4, 4}}, probabilities},
  };
}

}  // namespace convoy
