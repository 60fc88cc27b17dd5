#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> unary_cases() {
  struct Range {
    UnaryFunction function;
    float low, high;
  };
  constexpr Range kRanges[] = {{UnaryFunction::tanh, -4, 4},   {UnaryFunction::erf, -3, 3},
                               {UnaryFunction::exp, -4, 4},    {UnaryFunction::log, 0.5F, 3},
                               {UnaryFunction::sqrt, 0.5F, 3}, {UnaryFunction::reciprocal, 0.5F, 3},
                               {UnaryFunction::abs, -2, -0.5F}};
  std::vector<OpCase> cases;
  for (const auto& [function, low, high] : kRanges) {
    const auto build = [function = function](Builder, const std::vector<Value>& in) {
      return std::vector<Value>{unary(in[0], function)};
    };
    const std::string name(to_string(function));
    cases.push_back({"unary/" + name, {{{3, 7, 5, 19}, low, high}}, build, Mode::training, 1e-6, 1e-6});
    cases.push_back({"unary/" + name + "_tiles", {{{2, 20011}, low, high}}, build, Mode::training, 1e-6, 1e-6});
  }
  cases.push_back({"unary/used_twice", {{{5, 33}}}, [](Builder, const std::vector<Value>& in) {
                     const Value y = unary(in[0], UnaryFunction::exp);
                     return std::vector<Value>{mul(unary(y, UnaryFunction::log), y)};
                   }});
  return cases;
}

}  // namespace convoy
