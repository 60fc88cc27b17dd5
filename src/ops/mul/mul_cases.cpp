#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> mul_cases() {
  const auto product = [](Builder, const std::vector<Value>& in) { return std::vector<Value>{mul(in[0], in[1])}; };
  return {
      {"mul/both", {{{2, 5, 3, 23}}, {{2, 5, 3, 23}}}, product},
      {"mul/first_only", {{{37}}, {{37}, -1, 1, false}}, product},
      {"mul/second_only", {{{37}, -1, 1, false}, {{37}}}, product},
      {"mul/square",
       {{{4, 9}}},
       [](Builder, const std::vector<Value>& in) { return std::vector<Value>{mul(in[0], in[0])}; }},
  };
}

}  // namespace convoy
