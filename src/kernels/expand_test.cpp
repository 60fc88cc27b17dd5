#include "kernels/expand.h"

#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::check_kernel;
using testing::Guarded;
using testing::random_floats;

// The element of `small` that becomes element i of `large`, by numpy's definition.
int64_t source(const Shape& small, const Shape& large, int64_t i) {
  int64_t source = 0, stride = 1;
  for (int axis = 1; axis <= small.rank(); ++axis) {
    source += small[-axis] == 1 ? 0 : i % large[-axis] * stride;
    stride *= small[-axis];
    i /= large[-axis];
  }
  return source;
}

struct Case {
  Shape small, large;
};
const Case kCases[] = {{{}, {1}},
                       {{}, {5}},
                       {{1}, {300007}},
                       {{7, 1}, {7, 20000}},
                       {{19}, {3, 5, 19}},
                       {{5}, {40001, 5}},
                       {{5003}, {3, 70, 5003}},
                       {{2, 1, 1, 37}, {2, 31, 29, 37}},
                       {{9, 40, 1}, {9, 40, 3}},
                       {{6, 1, 9, 1}, {6, 70, 9, 4099}},
                       {{1, 3, 1, 2, 1, 4}, {2, 3, 5, 2, 3, 4}},
                       {{3, 1, 2, 1, 4, 1}, {3, 2, 2, 5, 4, 3}},
                       {{40, 1000}, {40, 1000}}};

class Expand : public ::testing::TestWithParam<Case> {
 protected:
  const Shape small = GetParam().small, large = GetParam().large;
  const ExpandAxes axes = expand_axes(small, large);
};

TEST_P(Expand, RepeatsElements) {
  const std::vector<float> input = random_floats(small.elements(), 0);
  check_kernel(
      large.elements(), [&](float* y) { expand_kernels().forward(axes, input.data(), y); },
      [&](const std::vector<float>& y) {
        for (int64_t i = 0; i < large.elements(); ++i) {
          ASSERT_EQ(y[static_cast<size_t>(i)], input[static_cast<size_t>(source(small, large, i))]) << i;
        }
      });
}

// Of positive numbers, so that the error is relative to the sum itself.
TEST_P(Expand, BackwardSums) {
  const std::vector<float> grad = random_floats(large.elements(), 1, 0.5F, 1.5F);
  std::vector<double> expected(static_cast<size_t>(small.elements()));
  for (int64_t i = 0; i < large.elements(); ++i) {
    expected[static_cast<size_t>(source(small, large, i))] += grad[static_cast<size_t>(i)];
  }
  check_kernel(
      small.elements(),
      [&](float* y) {
        Guarded<std::byte> workspace(expand_kernels().workspace(axes), testing::Placement::aligned);
        expand_kernels().backward(axes, grad.data(), y, workspace.data());
      },
      [&](const std::vector<float>& y) {
        testing::expect_close(y, 2e-6, [&](int64_t i) { return expected[static_cast<size_t>(i)]; });
      });
}

INSTANTIATE_TEST_SUITE_P(Shapes, Expand, ::testing::ValuesIn(kCases));

TEST(ExpandAxes, MergeNeighboursAndLeaveOutOnes) {
  const ExpandAxes axes = expand_axes({1, 4, 5, 1, 1}, {2, 3, 4, 5, 1, 6});
  ASSERT_EQ(axes.count, 3);
  const int64_t extents[] = {6, 20, 6};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(axes.axis[i].extent, extents[i]);
    EXPECT_EQ(axes.axis[i].repeated, i != 1);
  }
  EXPECT_EQ(expand_axes({1, 1}, {1, 1}).count, 0);
}

}  // namespace
}  // namespace convoy::kernels
