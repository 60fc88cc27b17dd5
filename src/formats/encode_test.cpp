#include "formats/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace convoy {
namespace {

TEST(Encode, RoundsHalvesToTheNearestEven) {
  // Bits as torch.tensor(x).half() has them.
  const std::pair<float, uint16_t> expected[] = {
      {0.0F, 0x0000},          {-0.0F, 0x8000},          {1.0F, 0x3C00},           {-2.5F, 0xC100},
      {65504.0F, 0x7BFF},      {65519.99F, 0x7BFF},      {65520.0F, 0x7C00},       {1e30F, 0x7C00},
      {0.1F, 0x2E66},          {1.00048828125F, 0x3C00}, {1.00146484375F, 0x3C02}, {6.1035156e-5F, 0x0400},
      {5.9604645e-8F, 0x0001}, {2.9802322e-8F, 0x0000},  {8.940697e-8F, 0x0002},   {3e-5F, 0x01F7}};
  for (const auto& [value, bits] : expected) EXPECT_EQ(float_to_half(value), bits) << value;
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Encode, EveryHalfIsItself) {
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {
    EXPECT_EQ(float_to_half(half_to_float(static_cast<uint16_t>(bits))), bits);
  }
}

TEST(Encode, RoundsBfloatsToTheNearestEven) {
  // Bits as torch.tensor(x).bfloat16() has them.
  const std::pair<float, uint16_t> expected[] = {{1.0F, 0x3F80},    {0.1F, 0x3DCD},        {-3.1415927F, 0xC049},
                                                 {1e30F, 0x714A},   {1.00390625F, 0x3F80}, {1.01171875F, 0x3F82},
                                                 {3.4e38F, 0x7F80}, {1e-40F, 0x0001}};
  for (const auto& [value, bits] : expected) EXPECT_EQ(float_to_bfloat(value), bits) << value;
}

}  // namespace
}  // namespace convoy
