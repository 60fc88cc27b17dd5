#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> concat_cases() {
  const auto joined = [](Builder, const std::vector<Value>& in) { return std::vector<Value>{concat(in)}; };
  return {
      {"concat/maps", {{{2, 5, 3, 7}}, {{2, 5, 3, 32}}, {{2, 5, 3, 1}}}, joined},
      {"concat/vectors", {{{3, 9}}, {{3, 4}, -1, 1, false}}, joined},
      {"concat/bytes",
       {{{2, 3, 7}, 0, 255, false, DType::u8}, {{2, 3, 10}, 0, 255, false, DType::u8}},
       joined,
       Mode::inference},
      {"concat/same_twice",
       {{{3, 9}}},
       [](Builder, const std::vector<Value>& in) {
         return std::vector<Value>{concat({in[0], in[0]})};
       }},
  };
}

}  // namespace convoy
