#include "kernels/rearrange.h"

#include <numeric>

#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;
using testing::random_floats;

std::vector<float> counting(int64_t count) {
  std::vector<float> data(static_cast<size_t>(count));
  std::iota(data.begin(), data.end(), 0.0F);
  return data;
}

TEST(Rearrange, FillAndCopy) {
  for (const int64_t count : {1, 17, 40000}) {
    const std::vector<float> input = counting(count);
    check_kernel(
        count, [&](float* y) { fill(count, 2.5F, y); },
        [&](const std::vector<float>& y) { EXPECT_EQ(y, std::vector<float>(input.size(), 2.5F)); });
    check_kernel(
        count, [&](float* y) { copy(count, input.data(), y); },
        [&](const std::vector<float>& y) { EXPECT_EQ(y, input); });
  }
}

TEST(Rearrange, PadFillsTheRestWithZeros) {
  const std::vector<float> input{1, 2, 3, 4};
  check_kernel(
      10, [&](float* y) { pad(2, 2, input.data(), 5, 1, y); },
      [](const std::vector<float>& y) {
        EXPECT_EQ(y, (std::vector<float>{0, 1, 2, 0, 0, 0, 3, 4, 0, 0}));
      });
}

// Against the definition, index by index.
TEST(Rearrange, PermuteAnyOrderOfAnyRank) {
  const Shape shapes[] = {{7}, {33, 40}, {2, 1, 3}, {3, 4, 5, 6}, {2, 3, 1, 4, 5}, {2, 3, 2, 2, 3, 5}};
  for (const Shape& shape : shapes) {
    const std::vector<float> input = counting(shape.elements());
    std::vector<int> order(static_cast<size_t>(shape.rank()));
    std::iota(order.begin(), order.end(), 0);
    int rotation = 0;
    do {
      if (shape.rank() == 6 && ++rotation % 13 != 0) continue;
      check_kernel(
          shape.elements(), [&](float* y) { permute(shape, order, input.data(), y); },
          [&](const std::vector<float>& y) {
            for (int64_t i = 0; i < shape.elements(); ++i) {
              std::vector<int64_t> index(order.size());
              int64_t rest = i;
              for (size_t axis = order.size(); axis-- > 0;) {
                const int64_t extent = shape[order[axis]];
                index[static_cast<size_t>(order[axis])] = rest % extent;
                rest /= extent;
              }
              int64_t source = 0;
              for (int axis = 0; axis < shape.rank(); ++axis) {
                source = source * shape[axis] + index[static_cast<size_t>(axis)];
              }
              ASSERT_EQ(y[static_cast<size_t>(i)], static_cast<float>(source)) << shape.to_string();
            }
          });
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

}  // namespace
}  // namespace convoy::kernels
