// The text of --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace convoy::cli {

// Help without the "{false}" that CLI11 puts behind names that negate.
class HelpFormatter : public CLI::Formatter {
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override;
};

// The lines of `help` broken at spaces where they are longer than `width` characters, 0 for no limit; what is broken
// goes on below its beginning, descriptions in their column. Examples, which are to be copied, stay whole.
std::string fit_help(std::string_view help, int width);

}  // namespace convoy::cli
