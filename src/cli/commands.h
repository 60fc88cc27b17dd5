// The commands of the program: one file each beside this one, listed in commands.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string_view>

#include "convoy/precision.h"

namespace convoy::cli {

struct Command {
  std::string_view name;
  std::string_view description;
  // Lines for the end of --help.
  std::string_view examples;
  // Adds the command's flags to `app` and returns what runs it once they are parsed. That returns the exit code, or
  // throws Error.
  std::function<int()> (*declare)(CLI::App& app);
};

extern const Command kTrain;
extern const Command kFindLr;
extern const Command kEval;
extern const Command kCompare;
extern const Command kPredict;
extern const Command kImport;
extern const Command kExport;
extern const Command kFuse;
extern const Command kQuantize;
extern const Command kModels;
extern const Command kSummary;
extern const Command kPlan;
extern const Command kVerify;
extern const Command kBench;
extern const Command kData;
extern const Command kCompletion;
extern const Command kManual;

// In the order in which --help lists them.
std::span<const Command* const> commands();

// Accepts one of `names`, and says which was likely meant when it is none of them: "unknown shell 'bahs' ...".
CLI::Validator one_of(std::string kind, std::vector<std::string> names);

// --threads: the threads of the process that compute.
CLI::Option* add_threads(CLI::App& app);

// --precision fp32|bf16|auto.
void add_precision(CLI::App& app, Precision& precision);

// How the program was called, as a shell would read it.
std::string quote_command(std::span<const char* const> words);
// What main() found that to be.
std::string& command_line();

}  // namespace convoy::cli
