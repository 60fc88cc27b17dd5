// `convoy manual`: the page for man, made from the flags that the commands declare.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"
#include "convoy/version.h"

namespace convoy::cli {
namespace {

// `text` as roff shows it, line for line.
std::string roff(std::string_view text) {
  std::string escaped;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
    at_start = c == '\n';
  }
  return escaped;
}

std::string section_of(const CLI::App& app, const std::string& path) {
  const HelpFormatter help;
  const CLI::Formatter& formatter = help;
  std::string section = fmt::format(".SS \"{}\"\n{}.\n", roff(path), roff(app.get_description()));
  for (const CLI::Option* option : app.get_options()) {
    const bool is_positional = option->get_positional();
    const std::string name = formatter.make_option_name(option, is_positional) + formatter.make_option_opts(option);
    section += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(formatter.make_option_desc(option)));
  }
  if (!app.get_footer().empty()) section += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(app.get_footer()));
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    section += section_of(*sub, path + " " + sub->get_name());
  }
  return section;
}

std::string manual_page(const CLI::App& program) {
  std::string commands;
  for (const CLI::App* sub : program.get_subcommands([](const CLI::App*) { return true; })) {
    commands += section_of(*sub, "convoy " + sub->get_name());
  }
  return fmt::format(R"(.TH CONVOY 1 "" "convoy {}" "User Commands"
.SH NAME
convoy \- trains, evaluates and deploys convolutional image classifiers
.SH SYNOPSIS
.B convoy
.I COMMAND
[\fIARGUMENT\fR ...]
.SH COMMANDS
{}.SH EXIT STATUS
.TP
.B 0
Everything was done.
.TP
.B 1
Something failed: a file, an image, memory.
.TP
.B 2
The command line, the recipe or the environment asks for what does not exist or does not fit together.
)",
                     version(), commands);
}

std::function<int()> declare(CLI::App& app) {
  return [root = app.get_parent()] {
    print_text(manual_page(*root));
    return 0;
  };
}

}  // namespace

const Command kManual = {
    "manual",
    "Print the manual page",
    "  convoy manual > ~/.local/share/man/man1/convoy.1",
    declare,
};

}  // namespace convoy::cli
