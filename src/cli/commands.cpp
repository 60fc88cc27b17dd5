#include "cli/commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "core/parallel.h"
#include "core/text.h"

namespace convoy::cli {

std::span<const Command* const> commands() {
  static constexpr std::array kCommands = {&kTrain,  &kFindLr, &kEval,   &kCompare,    &kPredict, &kData,
                                           &kImport, &kExport, &kFuse,   &kQuantize,   &kSummary, &kModels,
                                           &kPlan,   &kBench,  &kVerify, &kCompletion, &kManual};
  return kCommands;
}

std::string quote_command(std::span<const char* const> words) {
  std::string command;
  for (const std::string_view word : words) {
    const bool plain = !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
      return std::isalnum(c) != 0 ||
             std::string_view("-_./=,:+@%").find(static_cast<char>(c)) != std::string_view::npos;
    });
    std::string quoted(word);
    if (!plain) {
      quoted = "'";
      for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
      quoted += "'";
    }
    command += (command.empty() ? "" : " ") + quoted;
  }
  return command;
}

std::string& command_line() {
  static std::string command;
  return command;
}

CLI::Validator one_of(std::string kind, std::vector<std::string> names) {
  std::string description = fmt::format("{{{}}}", fmt::join(names, ","));
  return CLI::Validator(
      [kind = std::move(kind), names = std::move(names)](const std::string& name) {
        return std::ranges::find(names, name) == names.end() ? unknown_name(kind, name, names) : std::string();
      },
      std::move(description));
}

void add_precision(CLI::App& app, Precision& precision) {
  constexpr Precision kAll[] = {Precision::fp32, Precision::bf16, Precision::automatic};
  std::vector<std::string> names;
  for (const Precision each : kAll) names.emplace_back(to_string(each));
  const auto set = [&precision, kAll](const std::string& name) {
    precision = *std::ranges::find(kAll, name, [](Precision each) { return to_string(each); });
  };
  app.add_option_function<std::string>(
         "--precision", set, "Of feature maps: fp32, bf16, or auto: bf16 where the processor has matrix tiles [fp32]")
      ->check(one_of("precision", names));
}

CLI::Option* add_threads(CLI::App& app) {
  const auto set = [](int count) {
    if (count > 0) set_thread_count(count);
  };
  return app.add_option_function<int>("--threads", set, "Threads that compute; 0: one a processor [0]")
      ->check(CLI::Range(0, 4096))
      ->type_name("N");
}

}  // namespace convoy::cli
