#include "convoy/attention.h"
#include "ops/op_case.h"

namespace convoy {

std::vector<OpCase> window_cases() {
  const auto cut = [](Size2 window, Size2 shift) {
    return [=](Builder, const std::vector<Value>& in) {
      return std::vector<Value>{window_partition(in[0], window, shift)};
    };
  };
  const auto put_together = [](Size2 image, Size2 window, Size2 shift) {
    return [=](Builder, const std::vector<Value>& in) {
      return std::vector<Value>{window_merge(in[0], image, window, shift)};
    };
  };
  return {
      {"window/partition", {{{2, 6, 4, 5}}}, cut({3, 2}, 0)},
      {"window/partition_padded", {{{2, 5, 7, 3}}}, cut(3, 0)},
      {"window/partition_shifted", {{{2, 8, 8, 17}}}, cut(4, 2)},
      {"window/partition_padded_and_shifted", {{{1, 5, 9, 4}}}, cut({3, 4}, {1, 3})},
      {"window/merge", {{{8, 6, 5}}}, put_together({6, 4}, {3, 2}, 0)},
      {"window/merge_padded_and_shifted", {{{12, 12, 4}}}, put_together({5, 9}, {3, 4}, {1, 3})},
  };
}

}  // namespace convoy
