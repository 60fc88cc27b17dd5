#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> sum_cases() {
  return {{"sum/two", {{{2, 3, 5, 7}}, {{2, 3, 5, 7}}}, [](Builder, const std::vector<Value>& in) {
             return std::vector<Value>{add(in[0], in[1])};
           }}};
}

}  // namespace convoy
