#include "core/byte_size.h"

#include <gtest/gtest.h>

namespace convoy {
namespace {

TEST(ByteSize, IsReadInEveryUnit) {
  EXPECT_EQ(parse_byte_size("1.5G"), 1610612736);
  EXPECT_EQ(parse_byte_size("800M"), 838860800);
  EXPECT_EQ(parse_byte_size("800MiB"), 838860800);
  EXPECT_EQ(parse_byte_size("2gb"), 2147483648);
  EXPECT_EQ(parse_byte_size("64k"), 65536);
  EXPECT_EQ(parse_byte_size("1T"), 1099511627776);
  EXPECT_EQ(parse_byte_size("4096"), 4096);
}

TEST(ByteSize, WhatIsNoneIsRefused) {
  for (const char* text : {"", "G", "-1G", "0", "0.1", "1.5X", "1G5", " 1G", "nan", "inf", "1e30G", "2000000T"}) {
    EXPECT_EQ(parse_byte_size(text), std::nullopt) << text;
  }
}

TEST(ByteSize, IsWrittenAsBrieflyAsItCanBeReadAgain) {
  EXPECT_EQ(byte_size_text(1610612736), "1.5G");
  EXPECT_EQ(byte_size_text(1572864000), "1500M");
  EXPECT_EQ(byte_size_text(1 << 20), "1M");
  EXPECT_EQ(byte_size_text(12345), "12345");
  for (const int64_t bytes : {int64_t{1}, int64_t{999999937}, (int64_t{1} << 53) + 2, int64_t{1} << 60}) {
    EXPECT_EQ(parse_byte_size(byte_size_text(bytes)), bytes);
  }
}

TEST(ByteSize, IsRoundedUp) {
  EXPECT_EQ(round_byte_size_up(1), "1M");
  EXPECT_EQ(round_byte_size_up(642 << 20), "642M");
  EXPECT_EQ(round_byte_size_up((642 << 20) + 1), "643M");
  EXPECT_EQ(round_byte_size_up((int64_t{1} << 30) + 1), "1.01G");
}

}  // namespace
}  // namespace convoy
