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

}  // namespace
}  // namespace convoy
