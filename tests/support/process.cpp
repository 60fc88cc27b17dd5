#include "tests/support/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace convoy {
namespace {

std::string contents(std::FILE* file) {
  std::string text;
  std::array<char, 4096> part{};
  std::rewind(file);
  for (size_t count; (count = std::fread(part.data(), 1, part.size(), file)) > 0;) text.append(part.data(), count);
  return text;
}

// In the child, between fork and exec.
void become(char* const* arguments, const ProcessOptions& options, int out, int err) {
  if (!options.out.empty()) out = open(options.out.c_str(), O_WRONLY | O_CREAT, 0644);
  if (!options.in.empty()) dup2(open(options.in.c_str(), O_RDONLY), STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (options.closed) {
    for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) close(descriptor);
  }
  for (const int signal : options.ignored) std::signal(signal, SIG_IGN);
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  if (options.file_limit > 0) {
    // Writing beyond the limit then fails, as on a full disk, in place of killing the process.
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{options.file_limit, options.file_limit};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (chdir(options.folder.c_str()) == 0) execvp(options.program.empty() ? CONVOY_BINARY : arguments[0], arguments);
  _exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const ProcessOptions& options)
    : out_(std::tmpfile()), err_(std::tmpfile()) {
  std::vector<std::string> words = {options.program.empty() ? "convoy" : options.program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) become(pointers.data(), options, fileno(out_), fileno(err_));
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

Process::~Process() {
  if (pid_ > 0) {
    send(SIGKILL);
    wait();
  }
  std::fclose(out_);
  std::fclose(err_);
}

void Process::send(int signal) const { kill(pid_, signal); }

Finished Process::wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), contents(out_), contents(err_)};
}

Finished run_convoy(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  return Process(arguments, options).wait();
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "convoy_test_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

}  // namespace convoy
