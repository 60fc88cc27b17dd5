#include "formats/pickled_weights.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "convoy/error.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

class PickledFloats : public testing::Test {
 protected:
  std::vector<float> read(std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t offset) const {
    PickleTensor tensor;
    tensor.shape = std::move(shape);
    tensor.strides = std::move(strides);
    tensor.offset = offset;
    tensor.bytes = std::as_bytes(std::span(numbers_));
    return pickled_floats(tensor, nullptr);
  }

  const std::array<float, 6> numbers_{0, 1, 2, 3, 4, 5};
};

TEST_F(PickledFloats, FollowsStrides) {
  EXPECT_THAT(read({2, 3}, {3, 1}, 0), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(read({3, 2}, {1, 3}, 0), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(read({1, 3}, {kLargest, 2}, 1), ElementsAre(1, 3, 5));
  EXPECT_THAT(read({2, 2}, {0, 1}, 4), ElementsAre(4, 5, 4, 5));
}

TEST_F(PickledFloats, RefusesWhatReachesBeyondItsData) {
  constexpr int64_t kStep = int64_t{1} << 40;
  EXPECT_THROW(read({3}, {2}, 2), Error);
  EXPECT_THROW(read({1}, {1}, kLargest), Error);
  EXPECT_THROW(read({6}, {0}, kLargest), Error);
  EXPECT_THROW(read({6}, {kStep}, kLargest - 5 * kStep), Error);
  EXPECT_THROW(read({6}, {kStep}, kLargest - 4 * kStep), Error);
  EXPECT_THROW(read({2, 2}, {kLargest, kLargest}, 0), Error);
  EXPECT_THROW(read({kLargest, 4}, {0, 0}, 0), Error);
}

TEST(PickledWeights, RefusesDictionariesWithoutEnd) {
  const auto word = [](const std::string& text) {
    return fmt::format("\x8c{}{}", static_cast<char>(text.size()), text);
  };
  // A tensor and the word "key", kept as 1 and 2, and a dictionary of 11,000 like {"key": tensor}.
  std::string text =
      "\x80\x04"
      "ctorch._utils\n_rebuild_tensor_v2\n((" +
      word("storage") + "ctorch\nFloatStorage\n" + word("0") + word("cpu") + "K\x01tQK\x01(K\x01t(K\x01t\x89)tRq\x01" +
      word("key") + "q\x02}(";
  for (int i = 0; i < 11'000; ++i) text += "h\x02}h\x02h\x01s";
  text += "u.";
  const Pickle pickle(std::as_bytes(std::span(text)));
  try {
    find_pickled_weights(pickle, "");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("more than 10000 dictionaries of tensors"));
  }
}

}  // namespace
}  // namespace convoy
