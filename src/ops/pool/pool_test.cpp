#include "ops/pool/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convoy/error.h"
#include "graph/graph.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Pooling, RefusesAttributesThatMeanNothing) {
  Graph graph(Mode::training);
  const Value x(&graph, graph.add_input("x", {{1, 8, 8, 4}}));
  for (const Pool2d& options : {Pool2d{.kernel = 0}, Pool2d{.kernel = {2, -1}}, Pool2d{.stride = 0},
                                Pool2d{.stride = {2, 0}}, Pool2d{.padding = -1}}) {
    EXPECT_THAT([&] { max_pool(x, options); },
                ThrowsMessage<Error>(HasSubstr("max_pool: expected a kernel and stride of at least 1")));
    EXPECT_THAT([&] { avg_pool(x, options); },
                ThrowsMessage<Error>(HasSubstr("avg_pool: expected a kernel and stride of at least 1")));
  }
  for (const Size2 size : {Size2(0), Size2(0, 3), Size2(3, 0), Size2(-1)}) {
    EXPECT_THAT([&] { adaptive_avg_pool(x, size); },
                ThrowsMessage<Error>(HasSubstr("adaptive_avg_pool: expected an output of at least 1x1")));
  }
  EXPECT_EQ(max_pool(x, {}).shape(), Shape({1, 4, 4, 4}));
  EXPECT_EQ(adaptive_avg_pool(x, {1, 3}).shape(), Shape({1, 1, 3, 4}));
}

TEST(Pooling, RefusesWhatNoBuilderMakes) {
  const auto infer = [](const Op& op, std::vector<TensorType> inputs) { return op.infer(inputs); };
  const TensorType map{{1, 8, 8, 4}}, pooled{{1, 4, 4, 4}};
  const PoolAttributes halves{.kernel = 2, .stride = 2};
  EXPECT_EQ(infer(MaxPoolGradOp(halves, map.shape), {pooled, {pooled.shape, DType::u8}}), std::vector{map});
  EXPECT_THAT(
      [&] {
        infer(MaxPoolGradOp(halves, map.shape), {pooled, pooled});
      },
      ThrowsMessage<Error>(HasSubstr("max_pool_grad: expected its positions as U8, got F32")));
  EXPECT_THAT(
      [&] {
        infer(MaxPoolGradOp(halves, map.shape), {pooled, {map.shape, DType::u8}});
      },
      ThrowsMessage<Error>(HasSubstr("max_pool_grad: expected its positions to be 1x4x4x4, got 1x8x8x4")));
  EXPECT_THAT([&] { infer(AvgPoolGradOp(halves, map.shape), {map}); },
              ThrowsMessage<Error>(HasSubstr("avg_pool_grad: expected its grad_output to be 1x4x4x4, got 1x8x8x4")));
  for (const PoolAttributes& pool : {PoolAttributes{.kernel = int64_t{1} << 62}, PoolAttributes{.stride = {1, 0}},
                                     PoolAttributes{.adaptive = {0, 2}}, PoolAttributes{.kernel = 2, .adaptive = 2}}) {
    EXPECT_THAT([&] { infer(AvgPoolOp(pool), {map}); },
                ThrowsMessage<Error>(HasSubstr("pooling: windows cannot have " + pool.to_string())));
  }
}

}  // namespace
}  // namespace convoy
