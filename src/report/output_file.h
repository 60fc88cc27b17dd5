// A file written piece by piece while work goes on.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>

namespace convoy {

class OutputFile {
 public:
  enum class Start : uint8_t { append, replace };

  // Opens `path` to go on behind what it holds, or to replace that; creates it where it is missing. Throws Error when
  // the system refuses.
  explicit OutputFile(std::filesystem::path path, Start start = Start::append);

  // Appends `bytes` and hands them to the system before returning. Throws Error when it cannot take them all.
  void append(std::string_view bytes);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace convoy
