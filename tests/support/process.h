// Running the program `convoy` as a user does.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace convoy {

struct Finished {
  // The exit code, or minus the signal that ended it.
  int code = 0;
  std::string out;
  std::string err;
};

struct ProcessOptions {
  // Another program than `convoy`, found on the PATH, such as mpirun.
  std::string program;
  std::vector<std::pair<std::string, std::string>> environment;
  std::filesystem::path folder = ".";
  // Where standard output goes; collected when empty.
  std::filesystem::path out;
  // What standard input reads; the test's own when empty.
  std::filesystem::path in;
  // Starts without any of the standard descriptors, as daemons may; nothing is collected then.
  bool closed = false;
  // Signals that are ignored from the start, as by nohup.
  std::vector<int> ignored;
  // The largest file that it may write, in bytes; 0 for any.
  unsigned long file_limit = 0;
};

class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments, const ProcessOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const;
  Finished wait();

 private:
  pid_t pid_ = -1;
  std::FILE* out_;
  std::FILE* err_;
};

Finished run_convoy(const std::vector<std::string>& arguments, const ProcessOptions& options = {});

// A folder that is empty at first and goes away at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace convoy
