#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> activation_cases() {
  std::vector<OpCase> cases;
  for (const Activation function :
       {Activation::relu, Activation::relu6, Activation::leaky_relu, Activation::silu, Activation::hard_swish,
        Activation::hard_sigmoid, Activation::sigmoid, Activation::gelu, Activation::gelu_tanh}) {
    cases.push_back({"activation/" + std::string(to_string(function)),
                     {{{3, 7, 5, 19}, -8, 8}},
                     [function](Builder, const std::vector<Value>& in) {
                       return std::vector<Value>{activation(in[0], function)};
                     }});
  }
  cases.push_back({"activation/used_twice", {{{5, 33}}}, [](Builder, const std::vector<Value>& in) {
                     const Value y = relu(in[0]);
                     return std::vector<Value>{add(activation(y, Activation::silu), y)};
                   }});
  return cases;
}

}  // namespace convoy
