#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> layer_norm_cases() {
  const auto norm = [](std::string name, Shape shape) {
    return OpCase{"layer_norm/" + name, {{shape, -3, 5}}, [](Builder b, const std::vector<Value>& in) {
                    return std::vector<Value>{layer_norm(b / "norm", in[0])};
                  }};
  };
  return {
      norm("map", {2, 5, 7, 64}),
      norm("odd_channels", {3, 5, 5, 37}),
      norm("tokens", {2, 9, 384}),
      {"layer_norm/residual",
       {{{2, 4, 4, 48}}},
       [](Builder b, const std::vector<Value>& in) {
         return std::vector<Value>{add(in[0], layer_norm(b / "norm", in[0], 1e-6F))};
       }},
  };
}

}  // namespace convoy
