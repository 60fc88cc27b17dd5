#include "core/cpu.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace convoy {
namespace {

TEST(Isa, OnlyAmxHasMatrixTiles) {
  const std::vector<Isa> isas = available_isas();
  EXPECT_EQ(isas.front(), Isa::baseline);
  EXPECT_TRUE(std::ranges::is_sorted(isas));
  for (const Isa isa : isas) {
    set_active_isa(isa);
    EXPECT_EQ(active_isa(), isa);
    EXPECT_EQ(has_matrix_tiles(), isa == Isa::amx);
  }
}

}  // namespace
}  // namespace convoy
