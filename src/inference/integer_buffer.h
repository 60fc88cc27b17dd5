// Tensors of integers that networks of other libraries keep beside their weights, and that follow from them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

struct IntegerBuffer {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<int64_t> values;
};

// That stands beside the parameter or state `name` of `shape`, as torchvision has it: "num_batches_tracked", a scalar
// that counts nothing and is 0, beside "running_mean", and "relative_position_index" {w^4} beside
// "relative_position_bias_table" {(2 w - 1)^2, heads}, which says for every pair of pixels of a window of side w, row
// by row, which row of the table theirs is. Without values: there is none.
IntegerBuffer integer_buffer_beside(std::string_view name, const std::vector<int64_t>& shape);

}  // namespace convoy
