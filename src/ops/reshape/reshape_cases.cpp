#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> reshape_cases() {
  return {
      {"reshape/to_vectors",
       {{{2, 3, 5, 7}}},
       [](Builder, const std::vector<Value>& in) {
         return std::vector<Value>{reshape(in[0], {6, 35})};
       }},
      {"reshape/of_a_result",
       {{{4, 6}}},
       [](Builder, const std::vector<Value>& in) {
         return std::vector<Value>{relu(reshape(activation(in[0], Activation::silu), {2, 3, 4}))};
       }},
      {"reshape/bytes",
       {{{2, 3, 5, 7}, 0, 255, false, DType::u8}},
       [](Builder, const std::vector<Value>& in) {
         return std::vector<Value>{reshape(in[0], {6, 35})};
       },
       Mode::inference},
      {"flatten/map",
       {{{2, 3, 4, 5}}},
       [](Builder, const std::vector<Value>& in) { return std::vector<Value>{flatten(in[0])}; }},
      {"flatten/pixel",
       {{{3, 1, 1, 5}}},
       [](Builder, const std::vector<Value>& in) { return std::vector<Value>{flatten(in[0])}; }},
  };
}

}  // namespace convoy
