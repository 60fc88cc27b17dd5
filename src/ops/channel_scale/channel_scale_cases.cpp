#include "convoy/ops.h"
#include "ops/append.h"
#include "ops/channel_scale/channel_scale.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> channel_scale_cases() {
  const auto scaled = [](Builder, const std::vector<Value>& in) {
    return std::vector<Value>{channel_scale(in[0], in[1])};
  };
  return {
      {"channel_scale/gate", {{{3, 6, 5, 21}}, {{3, 21}}}, scaled},
      {"channel_scale/vector", {{{2, 9, 7, 40}}, {{40}}}, scaled},
      {"channel_scale/scale_only", {{{2, 9, 7, 40}, -1, 1, false}, {{2, 40}}}, scaled},
      {"channel_scale/x_only", {{{2, 9, 7, 40}}, {{40}, -1, 1, false}}, scaled},
      {"channel_scale/constant",
       {{{2, 9, 7, 40}}},
       [](Builder, const std::vector<Value>& in) { return std::vector<Value>{scale(in[0], 1.0F / 9)}; }},
      {"scale/vector",
       {{{5}}},
       [](Builder, const std::vector<Value>& in) { return std::vector<Value>{scale(in[0], 2)}; }},
      {"channel_scale/addend",
       {{{2, 3, 5, 17}}, {{17}}, {{2, 3, 5, 17}}},
       [](Builder, const std::vector<Value>& in) {
         return std::vector<Value>{append(std::make_shared<ChannelScaleOp>(), in)};
       }},
  };
}

}  // namespace convoy
