#include "ops/dropout/dropout.h"

#include <gtest/gtest.h>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "graph/graph.h"

namespace convoy {
namespace {

// Masks are functions of the name: two of one name would drop the same.
TEST(Dropout, ABuilderHasOneOfEach) {
  Graph graph(Mode::training);
  const Builder b(graph);
  const Value x(&graph, graph.add_input("x", {{4, 8}}));
  dropout(b / "a", x, 0.5F);
  drop_path(b / "a", x, 0.5F);
  dropout(b / "b", x, 0.5F);
  EXPECT_THROW(dropout(b / "a", x, 0.25F), Error);
  EXPECT_THROW(drop_path(b / "a", x, 0.25F), Error);
  EXPECT_EQ(dropout(b / "a", x, 0).id(), x.id());
}

}  // namespace
}  // namespace convoy
