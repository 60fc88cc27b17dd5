// The program `convoy`: parses the command line, runs one command, turns errors into one line and an exit code.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/output.h"
#include "convoy/error.h"
#include "convoy/version.h"
#include "core/process.h"
#include "core/terminal.h"
#include "core/text.h"
#include "core/world.h"
#include "train/recipe_environment.h"

namespace convoy::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

void print_help(const CLI::App& command, const std::string& parent) {
  print_text(fit_help(command.help(parent), terminal_width(stdout)));
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    for (const std::string& name : option->get_snames()) flags.push_back("-" + name);
  }
  return flags;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

// What went wrong in the words of the one who typed it, and where to read more.
std::string explain(const CLI::ParseError& error, const CLI::App& command, const std::string& path) {
  std::string message = error.what();
  for (const std::string& extra : command.remaining(true)) {
    if (extra.starts_with('-') && extra != "--") {
      message = unknown_name("flag", extra.substr(0, extra.find('=')), flags_of(command));
      break;
    }
    message = fmt::format("unexpected argument '{}'", extra);
  }
  std::ranges::replace(message, '\n', ' ');
  return fmt::format("{}; `{} --help` shows how to use it", message, path);
}

// Parses the command line and returns what is to be run; nothing where --help or --version was all.
std::function<int()> parse(CLI::App& app, int argc, char** argv, std::string& path) {
  std::function<int()> chosen;
  for (const Command* command : commands()) {
    CLI::App* sub = app.add_subcommand(std::string(command->name), std::string(command->description));
    sub->footer(fmt::format("Examples:\n{}", command->examples));
    sub->callback([&chosen, run = command->declare(*sub)] { chosen = run; });
  }
  const CLI::App* active = &app;
  std::string parent;  // path without the last command
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    const std::vector<std::string> names = commands_of(*active);
    if (names.empty()) break;
    if (std::ranges::find(names, argv[i]) == names.end()) {
      throw UsageError(fmt::format("{}; `{} --help` lists them", unknown_name("command", argv[i], names), path));
    }
    active = active->get_subcommand(argv[i]);
    parent = std::exchange(path, fmt::format("{} {}", path, argv[i]));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print_help(*active, parent);
  } catch (const CLI::CallForVersion&) {
    print("convoy {}\n", version());
  } catch (const CLI::ParseError& error) {
    throw UsageError(explain(error, *active, path));
  }
  return chosen;
}

int run(int argc, char** argv, std::string& path) {
  CLI::App app("Trains, evaluates and deploys convolutional image classifiers.", "convoy");
  app.set_version_flag("--version", std::string(version()), "Print the version and exit");
  app.require_subcommand(0, 1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer("`convoy COMMAND --help` shows a command's flags, with examples.");
  const std::function<int()> chosen = parse(app, argc, argv, path);
  if (argc == 1) print_help(app, "");
  if (chosen) check_environment();
  const int code = chosen ? chosen() : 0;
  finish_output();
  return code;
}

int report(const std::string& path, std::string_view message, int code) {
  print_error(path, message);
  return code;
}

}  // namespace
}  // namespace convoy::cli

int main(int argc, char** argv) {
  using namespace convoy::cli;
  if (!convoy::open_standard_descriptors()) return kFailed;
  // A reader that goes away is no reason to stop training.
  std::signal(SIGPIPE, SIG_IGN);
  std::string path = "convoy";
  try {
    command_line() = quote_command({argv, static_cast<size_t>(argc)});
    return run(argc, argv, path);
  } catch (const convoy::EndedByAnotherRank&) {
    return kFailed;
  } catch (const convoy::UsageError& error) {
    return report(path, error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    return report(path, "out of memory; use a smaller batch or image", kFailed);
  } catch (const std::exception& error) {
    return report(path, error.what(), kFailed);
  }
}
