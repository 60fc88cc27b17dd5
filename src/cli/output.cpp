#include "cli/output.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "convoy/error.h"

namespace convoy::cli {
namespace {

int first_error = 0;

void note_failure(bool failed) {
  if (failed && first_error == 0) first_error = errno;
}

}  // namespace

void print_text(std::string_view text) {
  note_failure(std::fwrite(text.data(), 1, text.size(), stdout) != text.size());
}

void print_json(const nlohmann::ordered_json& json) {
  print_text(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n');
}

void print_json_line(const nlohmann::ordered_json& json) {
  print_text(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n');
}

void print_error(std::string_view source, std::string_view message) {
  std::fflush(stdout);
  std::fputs(fmt::format("{}: {}\n", source, printable(message)).c_str(), stderr);
}

bool flush_output() {
  note_failure(std::fflush(stdout) != 0);
  return first_error == 0;
}

void finish_output() {
  flush_output();
  if (first_error != 0 && first_error != EPIPE) {
    throw FileError(fmt::format("standard output: {}", std::generic_category().message(first_error)));
  }
}

}  // namespace convoy::cli
