#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/op_case.h"
#include "ops/sum/sum.h"

namespace convoy {

std::vector<OpCase> sum_cases() {
  const auto sum = [](Builder, const std::vector<Value>& in) {
    return std::vector<Value>{append(std::make_shared<SumOp>(), in)};
  };
  return {
      {"sum/two", {{{2, 3, 5, 7}}, {{2, 3, 5, 7}}}, sum},
      {"sum/nineteen", std::vector<OpCase::Input>(19, {{3, 11}}), sum},
      {"sum/same_twice",
       {{{4, 9}}},
       [](Builder, const std::vector<Value>& in) { return std::vector<Value>{add(in[0], in[0])}; }},
  };
}

}  // namespace convoy
