// tests/checkpoints/arrays.pkl is a pickle of NumPy arrays: fc1.weight is 6 x 6, fc2.weight {5 out, 6 in}.
#include "inference/matrix_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"

namespace convoy {
namespace {

const Checkpoint& arrays() {
  static const Checkpoint file(CONVOY_SOURCE_DIR "/tests/checkpoints/arrays.pkl");
  return file;
}

NetworkTensor linear(const std::string& name, int64_t out, int64_t in, int class_axis = -1) {
  return {name, {out, in}, FileLayout::linear, class_axis};
}

TEST(MatrixLayout, ShapesTell) {
  const NetworkTensor square = linear("fc1.weight", 6, 6);
  EXPECT_EQ(layout_by_shapes(arrays(), std::vector{square, linear("fc2.weight", 5, 6)}), SourceLayout::torch);
  EXPECT_EQ(layout_by_shapes(arrays(), std::vector{square, linear("fc2.weight", 6, 5)}), SourceLayout::paddle);
  // A network without linear layers, or with none that the file has, leaves nothing to ask.
  EXPECT_EQ(layout_by_shapes(arrays(), std::vector<NetworkTensor>{{"conv1.weight", {4, 3, 3, 3}}}),
            SourceLayout::torch);
  EXPECT_EQ(layout_by_shapes(arrays(), std::vector{linear("fc.weight", 9, 7)}), SourceLayout::torch);
  // The number of classes is unknown, the number of features is not.
  EXPECT_EQ(layout_by_shapes(arrays(), std::vector{linear("fc2.weight", 1000, 5, 0)}), SourceLayout::paddle);
}

TEST(MatrixLayout, SquareMatricesAloneAreAsked) {
  try {
    layout_by_shapes(arrays(), std::vector{linear("fc1.weight", 6, 6)});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("--source-layout torch or paddle"));
    EXPECT_THAT(error.what(), testing::HasSubstr("fc1.weight"));
  }
}

}  // namespace
}  // namespace convoy
