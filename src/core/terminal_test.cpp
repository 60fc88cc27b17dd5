#include "core/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace convoy {
namespace {

// A terminal with a stream on it.
class TerminalTest : public testing::Test {
 protected:
  TerminalTest() {
    int inner = -1;
    EXPECT_EQ(openpty(&outer_, &inner, nullptr, nullptr, nullptr), 0);
    stream_ = fdopen(inner, "w");
  }
  ~TerminalTest() override {
    std::fclose(stream_);
    close(outer_);
  }

  void resize(unsigned short columns) const {
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(ioctl(outer_, TIOCSWINSZ, &size), 0);
  }

  int outer_ = -1;
  std::FILE* stream_ = nullptr;
};

TEST_F(TerminalTest, TellsItsWidthAsItIsNow) {
  resize(132);
  EXPECT_EQ(terminal_width(stream_), 132);
  resize(40);
  EXPECT_EQ(terminal_width(stream_), 40);
  resize(0);
  EXPECT_EQ(terminal_width(stream_), 80);
}

TEST_F(TerminalTest, ADumbOneCannotRedraw) {
  const char* type = std::getenv("TERM");
  const std::string before = type == nullptr ? "" : type;
  setenv("TERM", "xterm-256color", 1);
  EXPECT_TRUE(can_redraw(stream_));
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(can_redraw(stream_));
  unsetenv("TERM");
  EXPECT_FALSE(can_redraw(stream_));
  if (type != nullptr) setenv("TERM", before.c_str(), 1);
}

TEST(Terminal, AFileIsNone) {
  std::FILE* file = std::tmpfile();
  EXPECT_EQ(terminal_width(file), 0);
  EXPECT_FALSE(can_redraw(file));
  std::fclose(file);
}

TEST(Wrapped, BreaksAtSpaces) {
  EXPECT_EQ(wrapped("one two three", 20, 2), "one two three");
  EXPECT_EQ(wrapped("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(wrapped("one two three", 8, 0), "one two\nthree");
  EXPECT_EQ(wrapped("one two three", 6, 1), "one\n two\n three");
  EXPECT_EQ(wrapped("  one   two", 6, 4), "  one\n    two");
  EXPECT_EQ(wrapped("", 5, 0), "");
}

TEST(Wrapped, WordsStayWhole) {
  EXPECT_EQ(wrapped("unbreakable", 4, 1), "unbreakable");
  EXPECT_EQ(wrapped("an unbreakable word", 4, 1), "an\n unbreakable\n word");
  EXPECT_EQ(wrapped("    unbreakable", 4, 1), "    unbreakable");
}

}  // namespace
}  // namespace convoy
