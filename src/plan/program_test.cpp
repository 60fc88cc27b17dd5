#include "plan/program.h"

#include <gtest/gtest.h>

#include "convoy/error.h"
#include "convoy/ops.h"
#include "core/parallel.h"

namespace convoy {
namespace {

// Each thread has scratch memory of its own, counted when the program was planned.
TEST(Program, RefusesMoreThreadsThanItWasPlannedFor) {
  set_thread_count(2);
  Graph graph(Mode::inference);
  const Value x(&graph, graph.add_input("x", {{1, 6, 6, 8}}));
  graph.set_output("y", conv2d(Builder(graph) / "conv", x, {.out_channels = 8, .kernel = 3}).id());
  Program program(graph);
  EXPECT_EQ(program.threads(), 2);
  Variables variables;
  variables.add(graph, 1);
  Buffer arena(program.arena_bytes());
  program.bind(variables, arena);
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    EXPECT_NO_THROW(program.run({}));
  }
  set_thread_count(3);
  EXPECT_THROW(program.run({}), Error);
  EXPECT_THROW(program.run_profiled({}), Error);
  set_thread_count(1);
}

}  // namespace
}  // namespace convoy
