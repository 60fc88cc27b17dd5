// The program on a terminal: a bar that fits the window as it is, messages below it, tables and help that fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/train_cli.h"

namespace convoy {
namespace {

using testing::HasSubstr;
using testing::Not;

// A window in which the program runs.
class Window {
 public:
  Window(std::vector<std::string> words, const std::filesystem::path& folder, unsigned short columns,
         const std::string& type = "xterm") {
    words.insert(words.begin(), "convoy");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const winsize size = size_of(columns);
    pid_ = forkpty(&terminal_, nullptr, nullptr, &size);
    if (pid_ != 0) return;
    setenv("TERM", type.c_str(), 1);
    if (chdir(folder.c_str()) == 0) execv(CONVOY_BINARY, arguments.data());
    _exit(127);
  }
  ~Window() { close(terminal_); }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  void resize(unsigned short columns) const {
    const winsize size = size_of(columns);
    ioctl(terminal_, TIOCSWINSZ, &size);
  }
  void type(char key) const { EXPECT_EQ(write(terminal_, &key, 1), 1); }

  // What is written until the program ends; `hear` is told of all so far whenever there is more.
  std::string text(const std::function<void(const std::string&)>& hear = [](const std::string&) {}) {
    std::string all;
    std::array<char, 4096> part{};
    for (ssize_t count; (count = read(terminal_, part.data(), part.size())) > 0;) {
      all.append(part.data(), static_cast<size_t>(count));
      hear(all);
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return all;
  }
  int code() const { return code_; }

 private:
  static winsize size_of(unsigned short columns) {
    return {.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  }

  int terminal_ = -1;
  pid_t pid_ = -1;
  int code_ = 0;
};

// What is drawn over and over: between a carriage return and "erase to the end of the line".
std::vector<std::string> bars_of(const std::string& text) {
  std::vector<std::string> bars;
  for (size_t end = text.find("\x1b[K"); end != std::string::npos; end = text.find("\x1b[K", end + 1)) {
    const size_t begin = text.rfind('\r', end);
    bars.push_back(text.substr(begin + 1, end - begin - 1));
  }
  return bars;
}

void expect_lines_of_at_most(size_t columns, const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    const bool is_example = line.starts_with("  convoy ");
    EXPECT_TRUE(is_example || line.size() <= columns) << line;
  }
}

class Terminal : public TrainCli {
 protected:
  std::vector<std::string> training(const std::string& epochs) { return arguments({"--epochs", epochs}); }
};

TEST_F(Terminal, TheBarFollowsTheWindow) {
  Window window(training("20"), folder_.path(), 100);
  bool narrow = false;
  const std::string text = window.text([&](const std::string& so_far) {
    if (!narrow && so_far.find("Epoch 3/20") != std::string::npos) {
      window.resize(40);
      narrow = true;
    }
  });
  EXPECT_EQ(window.code(), 0);
  const std::vector<std::string> bars = bars_of(text);
  ASSERT_GE(bars.size(), 20U);
  EXPECT_GT(bars.front().size(), 60U);
  for (size_t i = bars.size() / 2; i < bars.size(); ++i) EXPECT_LT(bars[i].size(), 40U) << bars[i];
}

TEST_F(Terminal, MessagesComeBelowTheBar) {
  Window window(training("100000"), folder_.path(), 80);
  bool stopped = false;
  const std::string text = window.text([&](const std::string& so_far) {
    if (!stopped && so_far.find("Epoch 2/") != std::string::npos) window.type('\x03');
    stopped = stopped || so_far.find("Epoch 2/") != std::string::npos;
  });
  EXPECT_EQ(window.code(), 130);
  EXPECT_THAT(text, HasSubstr("\r\nstopping after this step; once more stops at once\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nstopped and saved in runs/run; the same command with --resume goes on\r\n"));
}

TEST_F(Terminal, ADumbOneGetsPlainLines) {
  Window window(training("2"), folder_.path(), 80, "dumb");
  const std::string text = window.text();
  EXPECT_EQ(window.code(), 0);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("[Train][Epoch 2/2][Iter: 5/5] lr: "));
}

TEST_F(Terminal, TablesAndHelpFit) {
  Window help({"predict", "--help"}, folder_.path(), 60);
  expect_lines_of_at_most(60, help.text());
  Window summary({"summary", "resnet9"}, folder_.path(), 80);
  const std::string layers = summary.text();
  expect_lines_of_at_most(80, layers);
  EXPECT_THAT(layers, HasSubstr("written"));
  Window models({"models"}, folder_.path(), 90);
  expect_lines_of_at_most(90, models.text());
}

}  // namespace
}  // namespace convoy
