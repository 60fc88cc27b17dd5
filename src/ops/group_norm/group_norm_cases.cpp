#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> group_norm_cases() {
  const auto norm = [](std::string name, Shape shape, int64_t groups) {
    return OpCase{"group_norm/" + name, {{shape, -3, 5}}, [groups](Builder b, const std::vector<Value>& in) {
                    return std::vector<Value>{group_norm(b / "norm", in[0], groups)};
                  }};
  };
  return {
      norm("one_group", {3, 5, 7, 48}, 1),
      norm("eight_groups", {2, 5, 5, 40}, 8),
      norm("odd_groups", {2, 4, 3, 21}, 3),
      norm("vectors", {4, 64}, 4),
  };
}

}  // namespace convoy
