#include "plan/variables.h"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/graph.h"

namespace convoy {
namespace {

// {kernel height, kernel width, in, out}: the first 2 of 3 output channels are the 2 input channels.
TEST(Variables, DiracPassesTheInputOnAndIsUniformElsewhere) {
  Graph graph(Mode::training);
  graph.add_parameter("weight", {3, 3, 2, 3}, Initializer::dirac(0.5F), FileLayout::conv);
  Variables variables;
  variables.add(graph, 1);
  const float* weight = variables.at("weight").floats();
  for (int tap = 0; tap < 9; ++tap) {
    for (int in = 0; in < 2; ++in) {
      const float* row = weight + (tap * 2 + in) * 3;
      for (int out = 0; out < 2; ++out) EXPECT_EQ(row[out], tap == 4 && in == out ? 1.0F : 0.0F) << tap << in << out;
      EXPECT_NE(row[2], 0.0F);
      EXPECT_LE(std::abs(row[2]), 0.5F);
    }
  }
}

TEST(Variables, WithoutASeedTheyAreZero) {
  Graph graph(Mode::training);
  graph.add_parameter("weight", {3, 3, 2, 3}, Initializer::dirac(0.5F), FileLayout::conv);
  Variables variables;
  variables.add(graph, std::nullopt);
  for (int i = 0; i < 54; ++i) EXPECT_EQ(variables.at("weight").floats()[i], 0.0F);
}

TEST(Variables, StatesKeepTheLayoutOfTheirWeights) {
  Graph graph(Mode::training);
  Builder(graph).state("weight", {2, 2, 3, 4}, Initializer::uniform(1), FileLayout::conv);
  Variables variables;
  variables.add(graph, 1);
  EXPECT_EQ(variables.at("weight").layout, FileLayout::conv);
  EXPECT_EQ(variables.at("weight").kind, ValueKind::state);
  EXPECT_NE(variables.at("weight").floats()[0], variables.at("weight").floats()[1]);
}

}  // namespace
}  // namespace convoy
