#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> cross_entropy_cases() {
  const auto loss = [](float smoothing) {
    return [smoothing](Builder, const std::vector<Value>& in) {
      return std::vector<Value>{cross_entropy(in[0], in[1], smoothing)};
    };
  };
  return {
      {"cross_entropy/plain", {{{6, 10}, -3, 3}, {{6, 10}, 0, 0.2F, false}}, loss(0)},
      {"cross_entropy/smoothed", {{{3, 1000}, -3, 3}, {{3, 1000}, 0, 0.002F, false}}, loss(0.1F)},
  };
}

}  // namespace convoy
