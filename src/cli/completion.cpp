// `convoy completion SHELL`: the completion script of a shell, made from the flags that the commands declare.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output.h"

namespace convoy::cli {
namespace {

struct Flag {
  std::vector<std::string> names;
  std::string description;
  bool takes_value = false;
  // What the value may be; empty where it may be anything, such as a file.
  std::vector<std::string> values;
};

struct Subcommand {
  std::string name;
  std::string description;
  std::vector<Flag> flags;
  // What the arguments without a flag may be.
  std::vector<std::string> values;
};

// The choices in a type name such as "TEXT:{sgd,adam}".
std::vector<std::string> choices(const std::string& type) {
  const size_t open = type.find('{');
  const size_t close = type.find('}');
  std::vector<std::string> names;
  if (open != std::string::npos && close != std::string::npos) {
    names = CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
  }
  return names;
}

// A command with commands of its own offers their names, and all their flags.
Subcommand describe(const CLI::App& app) {
  Subcommand result{app.get_name(), app.get_description(), {}, {}};
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    result.values.push_back(sub->get_name());
    for (Flag& flag : describe(*sub).flags) {
      const bool known =
          std::ranges::any_of(result.flags, [&](const Flag& other) { return other.names == flag.names; });
      if (!known) result.flags.push_back(std::move(flag));
    }
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      result.values = choices(option->get_type_name());
      continue;
    }
    Flag flag;
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    flag.description = option->get_description();
    flag.takes_value = option->get_items_expected_max() > 0;
    flag.values = choices(option->get_type_name());
    const bool known = std::ranges::any_of(result.flags, [&](const Flag& other) { return other.names == flag.names; });
    if (!known) result.flags.push_back(std::move(flag));
  }
  return result;
}

std::string joined_names(const std::vector<Subcommand>& commands) {
  std::vector<std::string> names;
  for (const Subcommand& command : commands) names.push_back(command.name);
  return fmt::format("{}", fmt::join(names, " "));
}

std::string flag_names(const Subcommand& command) {
  std::vector<std::string> names;
  for (const Flag& flag : command.flags) names.insert(names.end(), flag.names.begin(), flag.names.end());
  return fmt::format("{}", fmt::join(names, " "));
}

std::string bash_script(const std::vector<Subcommand>& commands) {
  std::string cases;
  for (const Subcommand& command : commands) {
    std::string values;
    for (const Flag& flag : command.flags) {
      if (!flag.takes_value) continue;
      values += fmt::format("        {}) {} ;;\n", fmt::join(flag.names, "|"),
                            flag.values.empty() ? "return" : fmt::format("words='{}'", fmt::join(flag.values, " ")));
    }
    values += fmt::format("        *) words='{} {}' ;;\n", flag_names(command), fmt::join(command.values, " "));
    cases += fmt::format("    {})\n      case \"$previous\" in\n{}      esac ;;\n", command.name, values);
  }
  return fmt::format(R"(_convoy() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='{} --help --version'
  else
    case "${{COMP_WORDS[1]}}" in
{}    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _convoy convoy
)",
                     joined_names(commands), cases);
}

// `text` within a specification of zsh's _arguments or _describe, in single quotes.
std::string zsh_quoted(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      if (c == ':' || c == '[' || c == ']' || c == '\\') quoted += '\\';
      quoted += c;
    }
  }
  return quoted;
}

// The action of _arguments that completes one of `values`, or a file where they are open.
std::string zsh_action(const std::vector<std::string>& values) {
  return values.empty() ? "_files" : fmt::format("({})", fmt::join(values, " "));
}

std::string zsh_script(const std::vector<Subcommand>& commands) {
  std::string names;
  std::string cases;
  for (const Subcommand& command : commands) {
    names += fmt::format("      '{}:{}'\n", command.name, zsh_quoted(command.description));
    cases += fmt::format("    {})\n      _arguments \\\n", command.name);
    for (const Flag& flag : command.flags) {
      const std::string value = flag.takes_value ? fmt::format(":value:{}", zsh_action(flag.values)) : "";
      for (const std::string& name : flag.names) {
        cases += fmt::format("        '{}[{}]{}' \\\n", name, zsh_quoted(flag.description), value);
      }
    }
    cases += fmt::format("        '*:argument:{}' ;;\n", zsh_action(command.values));
  }
  return fmt::format(R"(#compdef convoy
_convoy() {{
  if (( CURRENT == 2 )); then
    local -a commands=(
{}    )
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
{}  esac
}}
if [ "$funcstack[1]" = _convoy ]; then _convoy "$@"; else compdef _convoy convoy; fi
)",
                     names, cases);
}

// In single quotes, as fish reads them.
std::string fish_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

std::string fish_script(const std::vector<Subcommand>& commands) {
  std::string script = "complete -c convoy -n __fish_use_subcommand -f\n";
  for (const Subcommand& command : commands) {
    script += fmt::format("complete -c convoy -n __fish_use_subcommand -a {} -d {}\n", command.name,
                          fish_quoted(command.description));
    const std::string prefix = fmt::format("complete -c convoy -n '__fish_seen_subcommand_from {}'", command.name);
    if (!command.values.empty()) script += fmt::format("{} -f -a '{}'\n", prefix, fmt::join(command.values, " "));
    for (const Flag& flag : command.flags) {
      script += prefix;
      for (const std::string& name : flag.names) {
        script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (flag.takes_value)
        script += flag.values.empty() ? " -r" : fmt::format(" -x -a '{}'", fmt::join(flag.values, " "));
      script += fmt::format(" -d {}\n", fish_quoted(flag.description));
    }
  }
  return script;
}

std::function<int()> declare(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "The shell")->required()->check(one_of("shell", {"bash", "zsh", "fish"}));
  return [shell, root = app.get_parent()] {
    std::vector<Subcommand> subcommands;
    for (const CLI::App* sub : root->get_subcommands([](const CLI::App*) { return true; })) {
      subcommands.push_back(describe(*sub));
    }
    print_text(*shell == "bash"  ? bash_script(subcommands)
               : *shell == "zsh" ? zsh_script(subcommands)
                                 : fish_script(subcommands));
    return 0;
  };
}

}  // namespace

const Command kCompletion = {
    "completion",
    "Print the completion script of a shell",
    "  convoy completion bash > ~/.local/share/bash-completion/completions/convoy\n"
    "  convoy completion zsh > \"${fpath[1]}/_convoy\"\n"
    "  convoy completion fish > ~/.config/fish/completions/convoy.fish",
    declare,
};

}  // namespace convoy::cli
