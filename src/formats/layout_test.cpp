#include "formats/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace convoy {
namespace {

std::vector<float> counting(int64_t elements) {
  std::vector<float> values(static_cast<size_t>(elements));
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

TEST(Layout, ConvolutionWeights) {
  const Shape hwio{2, 3, 20, 37};
  const Shape oihw = file_shape(hwio, FileLayout::conv);
  EXPECT_EQ(oihw, Shape({37, 20, 2, 3}));
  const std::vector<float> inside = counting(hwio.elements());
  std::vector<float> file(inside.size());
  to_file_layout(hwio, FileLayout::conv, inside, file);
  for (int64_t h = 0; h < 2; ++h) {
    for (int64_t w = 0; w < 3; ++w) {
      for (int64_t i = 0; i < 20; ++i) {
        for (int64_t o = 0; o < 37; ++o) {
          EXPECT_EQ(file[static_cast<size_t>(((o * 20 + i) * 2 + h) * 3 + w)],
                    inside[static_cast<size_t>(((h * 3 + w) * 20 + i) * 37 + o)]);
        }
      }
    }
  }
  std::vector<float> back(inside.size());
  from_file_layout(hwio, FileLayout::conv, file, back);
  EXPECT_EQ(back, inside);
}

TEST(Layout, SomeRowsOfAFile) {
  for (const auto& [shape, layout] :
       {std::pair(Shape{2, 3, 20, 37}, FileLayout::conv), std::pair(Shape{20, 37}, FileLayout::linear),
        std::pair(Shape{37}, FileLayout::same)}) {
    const std::vector<float> file = counting(shape.elements());
    std::vector<float> whole(file.size()), in_parts(file.size());
    from_file_layout(shape, layout, file, whole);
    const int64_t rows = layout == FileLayout::same ? 1 : 37, row = shape.elements() / rows;
    for (int64_t first = 0; first < rows; first += 10) {
      const int64_t count = std::min<int64_t>(10, rows - first);
      rows_from_file_layout(shape, layout, first,
                            std::span(file).subspan(static_cast<size_t>(first * row), static_cast<size_t>(count * row)),
                            in_parts);
    }
    EXPECT_EQ(in_parts, whole);
  }
}

TEST(Layout, LinearWeights) {
  const Shape shape{2, 3};
  EXPECT_EQ(file_shape(shape, FileLayout::linear), Shape({3, 2}));
  const std::vector<float> inside{0, 1, 2, 3, 4, 5};
  std::vector<float> file(6);
  to_file_layout(shape, FileLayout::linear, inside, file);
  EXPECT_EQ(file, (std::vector<float>{0, 3, 1, 4, 2, 5}));
  std::vector<float> back(6);
  from_file_layout(shape, FileLayout::linear, file, back);
  EXPECT_EQ(back, inside);
}

TEST(Layout, FeatureMaps) {
  const Shape nhwc{2, 1, 2, 3};
  const std::vector<float> inside = counting(12);
  std::vector<float> file(12);
  nhwc_to_nchw(nhwc, inside, file);
  EXPECT_EQ(file, (std::vector<float>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
  std::vector<float> back(12);
  nchw_to_nhwc(nhwc, file, back);
  EXPECT_EQ(back, inside);
}

}  // namespace
}  // namespace convoy
