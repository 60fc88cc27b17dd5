#include "convoy/error.h"

#include <gtest/gtest.h>

namespace convoy {
namespace {

TEST(Error, SaysOneLineOfWhatNamesFromFilesHold) {
  EXPECT_STREQ(Error("Conv\n: expected 2 inputs\x1B[2J, got 1").what(), "Conv?: expected 2 inputs?[2J, got 1");
  EXPECT_STREQ(FileError("caf\xC3\xA9 \xFF").what(), "caf\xC3\xA9 ?");
}

TEST(Error, IsRethrownAsItsClassWithAnotherMessage) {
  const MemoryError error("no room");
  try {
    error.rethrow("a\nb");
  } catch (const MemoryError& again) {
    EXPECT_STREQ(again.what(), "a?b");
    EXPECT_EQ(again.kind(), ErrorKind::memory);
    return;
  }
  FAIL();
}

}  // namespace
}  // namespace convoy
