#include "convoy/ops.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> slice_cases() {
  const auto sliced = [](int64_t begin, int64_t end) {
    return [=](Builder, const std::vector<Value>& in) { return std::vector<Value>{slice_channels(in[0], begin, end)}; };
  };
  return {
      {"slice/first", {{{2, 5, 3, 24}}}, sliced(0, 7)},
      {"slice/last", {{{2, 5, 3, 24}}}, sliced(23, 24)},
      {"slice/bytes", {{{2, 5, 3, 24}, 0, 255, false, DType::u8}}, sliced(5, 19), Mode::inference},
      {"slice/whole", {{{6, 10}}}, sliced(0, 10)},
      {"slice/halves",
       {{{2, 3, 3, 10}}},
       [](Builder, const std::vector<Value>& in) {
         return std::vector<Value>{mul(slice_channels(in[0], 0, 5), slice_channels(in[0], 5, 10))};
       }},
  };
}

}  // namespace convoy
