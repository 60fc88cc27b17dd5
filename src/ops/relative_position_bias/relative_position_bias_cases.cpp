#include "convoy/attention.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> relative_position_bias_cases() {
  const auto biased = [](WindowBias options) {
    return [=](Builder, const std::vector<Value>& in) {
      return std::vector<Value>{relative_position_bias(in[0], in[1], options)};
    };
  };
  // Softmax behind the bias, as attention has it: where the mask is at work, -100 alone would hide everything else.
  const auto attended = [](WindowBias options) {
    return [=](Builder, const std::vector<Value>& in) {
      return std::vector<Value>{softmax(relative_position_bias(in[0], in[1], options))};
    };
  };
  return {
      {"relative_position_bias/one_window", {{{3, 2, 6, 6}}, {{15, 2}}}, biased({.window = {2, 3}})},
      {"relative_position_bias/windows", {{{8, 3, 16, 16}}, {{49, 3}}}, biased({.window = 4, .windows = 2})},
      {"relative_position_bias/shifted",
       {{{12, 2, 12, 12}}, {{35, 2}}},
       attended({.window = {3, 4}, .windows = {2, 3}, .shift = {1, 2}})},
      {"relative_position_bias/shifted_along_one_axis",
       {{{6, 1, 9, 9}}, {{25, 1}}},
       attended({.window = 3, .windows = {1, 3}, .shift = {0, 1}})},
  };
}

}  // namespace convoy
