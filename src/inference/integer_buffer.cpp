#include "inference/integer_buffer.h"

#include <cmath>

namespace convoy {
namespace {

// "bn1.running_mean" with another last part.
std::string sibling(std::string_view name, std::string_view leaf) {
  return std::string(name.substr(0, name.rfind('.') + 1)) + std::string(leaf);
}

// The row of the table for pixels that are (y, x) apart is (y + w - 1) (2 w - 1) + x + w - 1.
std::vector<int64_t> relative_position_index(int64_t window) {
  std::vector<int64_t> index;
  for (int64_t query = 0; query < window * window; ++query) {
    for (int64_t key = 0; key < window * window; ++key) {
      const int64_t y = query / window - key / window, x = query % window - key % window;
      index.push_back((y + window - 1) * (2 * window - 1) + x + window - 1);
    }
  }
  return index;
}

}  // namespace

IntegerBuffer integer_buffer_beside(std::string_view name, const std::vector<int64_t>& shape) {
  if (name.ends_with(".running_mean")) return {sibling(name, "num_batches_tracked"), {}, {0}};
  if (!name.ends_with(".relative_position_bias_table")) return {};
  const auto window = (std::llround(std::sqrt(static_cast<double>(shape[0]))) + 1) / 2;
  return {
      sibling(name, "relative_position_index"), {window * window * window * window}, relative_position_index(window)};
}

}  // namespace convoy
