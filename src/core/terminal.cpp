#include "core/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace convoy {
namespace {

bool is_terminal(std::FILE* stream) {
  const int descriptor = fileno(stream);
  return descriptor >= 0 && isatty(descriptor) != 0;
}

}  // namespace

int terminal_width(std::FILE* stream) {
  if (!is_terminal(stream)) return 0;
  winsize size{};
  const bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

bool can_redraw(std::FILE* stream) {
  const char* type = std::getenv("TERM");
  return is_terminal(stream) && type != nullptr && *type != '\0' && std::string_view(type) != "dumb";
}

std::string wrapped(std::string_view line, size_t width, size_t indent) {
  std::string text;
  size_t room = width;
  size_t first_word = std::min(line.find_first_not_of(' '), line.size());
  while (line.size() > room) {
    size_t end = line.rfind(' ', room);
    if (end == std::string_view::npos || end < first_word) end = line.find(' ', std::max(room, first_word));
    if (end == std::string_view::npos) break;
    text.append(line.substr(0, line.find_last_not_of(' ', end) + 1)).append("\n").append(indent, ' ');
    line.remove_prefix(std::min(line.find_first_not_of(' ', end), line.size()));
    room = width - indent;
    first_word = 0;
  }
  return text.append(line);
}

}  // namespace convoy
