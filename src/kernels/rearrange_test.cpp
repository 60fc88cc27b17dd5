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

TEST(Rearrange, ConcatThenSliceGivesTheInputsBack) {
  constexpr int64_t kRows = 700;
  const std::vector<int64_t> widths{5, 64, 1};
  std::vector<std::vector<float>> inputs;
  std::vector<const float*> pointers;
  for (const int64_t width : widths) inputs.push_back(random_floats(kRows * width, static_cast<uint64_t>(width)));
  for (const auto& input : inputs) pointers.push_back(input.data());
  check_kernel(
      kRows * 70, [&](float* y) { concat(kRows, widths, pointers, y); },
      [&](const std::vector<float>& joined) {
        EXPECT_EQ(joined[0], inputs[0][0]);
        EXPECT_EQ(joined[70 + 5], inputs[1][64]);
        EXPECT_EQ(joined[2 * 70 + 69], inputs[2][2]);
        int64_t offset = 0;
        for (size_t i = 0; i < widths.size(); ++i) {
          check_kernel(
              kRows * widths[i], [&](float* y) { slice(kRows, 70, offset, widths[i], joined.data(), y); },
              [&](const std::vector<float>& part) { EXPECT_EQ(part, inputs[i]); });
          offset += widths[i];
        }
      });
}

TEST(Rearrange, UnsliceFillsTheRestWithZeros) {
  const std::vector<float> input{1, 2, 3, 4};
  check_kernel(
      10, [&](float* y) { unslice(2, 5, 1, 2, input.data(), y); },
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
