#include "cli/help.h"

#include <algorithm>

#include "core/terminal.h"

namespace convoy::cli {
namespace {

constexpr size_t kColumn = 30;  // where CLI11 begins descriptions

size_t spaces_before(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

// Where a line that is broken goes on.
size_t indent_of(std::string_view line, size_t width) {
  const size_t own = spaces_before(line);
  const bool is_described = own < kColumn && line.size() > kColumn && line[kColumn - 1] == ' ' &&
                            line[kColumn] != ' ' && line.substr(own, kColumn - own).find(' ') != std::string_view::npos;
  const size_t indent = own > 0 && is_described ? kColumn : own;
  constexpr size_t kNarrow = 4;  // where the column would leave no room
  return indent + kColumn <= width ? indent : std::min(own, kNarrow);
}

}  // namespace

std::string HelpFormatter::make_option_name(const CLI::Option* option, bool is_positional) const {
  return CLI::detail::find_and_replace(CLI::Formatter::make_option_name(option, is_positional), "{false}", "");
}

std::string fit_help(std::string_view help, int width) {
  constexpr int kLeast = 20;
  if (width < kLeast) return std::string(help);
  std::string text;
  while (!help.empty()) {
    const std::string_view line = help.substr(0, help.find('\n'));
    const bool is_example = line.starts_with("  convoy ");
    const auto room = static_cast<size_t>(width);
    text += is_example ? std::string(line) : wrapped(line, room, indent_of(line, room));
    text += '\n';
    help.remove_prefix(std::min(line.size() + 1, help.size()));
  }
  return text;
}

}  // namespace convoy::cli
