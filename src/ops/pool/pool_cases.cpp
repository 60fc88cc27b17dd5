#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> pool_cases() {
  const auto one = [](std::string name, Shape input, std::function<Value(Value)> build) {
    return OpCase{"pool/" + name, {{input}}, [build = std::move(build)](Builder, const std::vector<Value>& in) {
                    return std::vector<Value>{build(in[0])};
                  }};
  };
  const Pool2d stem{.kernel = 3, .stride = 2, .padding = 1};
  return {
      one("max_3x3_stride2", {2, 9, 8, 21}, [=](Value x) { return max_pool(x, stem); }),
      one("max_2x2", {2, 7, 6, 16}, [](Value x) { return max_pool(x, {}); }),
      one("avg_3x3_padded", {2, 7, 8, 17}, [=](Value x) { return avg_pool(x, stem); }),
      one("avg_3x3_inside", {1, 7, 8, 5},
          [](Value x) { return avg_pool(x, {.kernel = 3, .stride = 2, .padding = 1, .count_padding = false}); }),
      one("adaptive_down", {2, 10, 7, 18},
          [](Value x) {
            return adaptive_avg_pool(x, {4, 3});
          }),
      one("adaptive_up", {1, 2, 2, 33}, [](Value x) { return adaptive_avg_pool(x, 7); }),
      one("global", {3, 5, 4, 20}, [](Value x) { return global_avg_pool(x); }),
  };
}

}  // namespace convoy
