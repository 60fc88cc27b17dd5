// `convoy completion SHELL`: the completion script of a shell, made from the flags that the commands declare.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/network.h"
#include "cli/output.h"

namespace convoy::cli {
namespace {

// What a shell offers in some place.
struct Offer {
  std::vector<std::string> words;
  bool files = false;
};

struct Flag {
  std::vector<std::string> names;
  std::string description;
  bool takes_value = false;
  Offer value;
};

struct CommandTree {
  std::string name;
  std::string path;  // " data split"; "" for the program
  std::string description;
  std::vector<Flag> flags;
  std::vector<CommandTree> commands;
  Offer argument;  // in place of an argument without a flag: the names of the commands, where there are some
};

// By the type name of an option, such as "TEXT:{sgd,adam}", "NAME|FILE" or "X".
Offer offer_for(const std::string& type) {
  Offer offer;
  const size_t open = type.find('{');
  const size_t close = type.find('}');
  if (open != std::string::npos && close != std::string::npos) {
    offer.words = CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
  } else if (type.starts_with("NAME")) {
    offer.words = model_names();
  }
  offer.files = offer.words.empty() || type.find("FILE") != std::string::npos;
  return offer;
}

CommandTree describe(const CLI::App& app, const std::string& path) {
  CommandTree tree{app.get_name(), path, app.get_description(), {}, {}, {}};
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    tree.commands.push_back(describe(*sub, path + " " + sub->get_name()));
    tree.argument.words.push_back(sub->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      tree.argument = offer_for(option->get_type_name());
      continue;
    }
    Flag& flag = tree.flags.emplace_back();
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    flag.description = option->get_description();
    flag.takes_value = option->get_items_expected_max() > 0;
    flag.value = offer_for(option->get_type_name());
  }
  return tree;
}

std::string flag_names(const CommandTree& tree) {
  std::vector<std::string> names;
  for (const Flag& flag : tree.flags) names.insert(names.end(), flag.names.begin(), flag.names.end());
  return fmt::format("{}", fmt::join(names, " "));
}

// The paths that a command's name may follow, as patterns of a bash `case`.
std::string bash_parents(const CommandTree& tree) {
  if (tree.commands.empty()) return "";
  std::string patterns = fmt::format("{}'{}'", tree.path.empty() ? "" : " | ", tree.path);
  for (const CommandTree& command : tree.commands) patterns += bash_parents(command);
  return patterns;
}

std::string bash_cases(const CommandTree& tree) {
  std::string cases = fmt::format("    '{}')\n      case \"$previous\" in\n", tree.path);
  for (const Flag& flag : tree.flags) {
    if (!flag.takes_value) continue;
    const std::vector<std::string>& words = flag.value.words;
    cases += fmt::format("        {}) {} ;;\n", fmt::join(flag.names, "|"),
                         words.empty() ? "return" : fmt::format("words='{}'", fmt::join(words, " ")));
  }
  cases += fmt::format("        *) words='{}' flags='{}' ;;\n      esac ;;\n", fmt::join(tree.argument.words, " "),
                       flag_names(tree));
  for (const CommandTree& command : tree.commands) cases += bash_cases(command);
  return cases;
}

// Where nothing else fits, bash itself offers files.
std::string bash_script(const CommandTree& program) {
  return fmt::format(R"(_convoy() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= words= flags= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$command" in {}) command+=" ${{COMP_WORDS[i]}}" ;; esac
  done
  case "$command" in
{}  esac
  case "$current" in -*) words+=" $flags" ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _convoy convoy
)",
                     bash_parents(program), bash_cases(program));
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

// The action of _arguments that completes what is offered; with a space before it, a command gets no more arguments.
std::string zsh_action(const Offer& offer) {
  if (offer.words.empty()) return offer.files ? "_files" : " ";
  const std::string words = fmt::format("({})", fmt::join(offer.words, " "));
  if (!offer.files) return words;
  return fmt::format(R"( _alternative "words\:word\:{}" "files\:file\:_files")", words);
}

std::string zsh_function(const CommandTree& tree) {
  std::string name = "_convoy" + tree.path;
  std::ranges::replace(name, ' ', '_');
  return name;
}

std::string zsh_functions(const CommandTree& tree) {
  std::string functions;
  if (tree.commands.empty()) {
    functions = fmt::format("{}() {{\n  _arguments \\\n", zsh_function(tree));
    for (const Flag& flag : tree.flags) {
      const std::string value = flag.takes_value ? ":value:" + zsh_action(flag.value) : "";
      for (const std::string& name : flag.names) {
        functions += fmt::format("    '{}[{}]{}' \\\n", name, zsh_quoted(flag.description), value);
      }
    }
    return functions + fmt::format("    '*:argument:{}'\n}}\n", zsh_action(tree.argument));
  }
  std::string names, cases;
  for (const CommandTree& command : tree.commands) {
    functions += zsh_functions(command);
    names += fmt::format("      '{}:{}'\n", command.name, zsh_quoted(command.description));
    cases += fmt::format("    {}) {} ;;\n", command.name, zsh_function(command));
  }
  return functions + fmt::format(R"({}() {{
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
)",
                                 zsh_function(tree), names, cases);
}

std::string zsh_script(const CommandTree& program) {
  return "#compdef convoy\n" + zsh_functions(program) +
         "if [ \"$funcstack[1]\" = _convoy ]; then _convoy \"$@\"; else compdef _convoy convoy; fi\n";
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

std::string fish_lines(const CommandTree& tree) {
  // A command's name comes right behind its parent's; all else anywhere behind the command.
  const std::string condition = tree.commands.empty()
                                    ? fmt::format("string match -q \"{} *\" (__convoy_words)\" \"", tree.path)
                                    : fmt::format("test (__convoy_words) = \"{}\"", tree.path);
  const std::string prefix = fmt::format("complete -c convoy -n {}", fish_quoted(condition));
  std::string lines;
  for (const CommandTree& command : tree.commands) {
    lines += fmt::format("{} -f -a {} -d {}\n", prefix, command.name, fish_quoted(command.description));
    lines += fish_lines(command);
  }
  if (tree.commands.empty() && !(tree.argument.files && tree.argument.words.empty())) {
    lines +=
        fmt::format("{}{} -a '{}'\n", prefix, tree.argument.files ? "" : " -f", fmt::join(tree.argument.words, " "));
  }
  for (const Flag& flag : tree.flags) {
    lines += prefix;
    for (const std::string& name : flag.names) {
      lines += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (flag.takes_value) {
      const std::vector<std::string>& words = flag.value.words;
      lines += words.empty() ? " -r" : fmt::format(" -x -a '{}'", fmt::join(words, " "));
    }
    lines += fmt::format(" -d {}\n", fish_quoted(flag.description));
  }
  return lines;
}

std::string fish_script(const CommandTree& program) {
  return R"(function __convoy_words
  set -l words (commandline -opc)
  set -e words[1]
  echo (string join '' ' '$words)
end
)" + fish_lines(program);
}

std::function<int()> declare(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "The shell")->required()->check(one_of("shell", {"bash", "zsh", "fish"}));
  return [shell, root = app.get_parent()] {
    const CommandTree program = describe(*root, "");
    print_text(*shell == "bash" ? bash_script(program) : *shell == "zsh" ? zsh_script(program) : fish_script(program));
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
