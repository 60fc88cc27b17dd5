#include "cli/commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/text.h"

namespace convoy::cli {

std::span<const Command* const> commands() {
  static constexpr std::array kCommands = {&kSummary, &kModels, &kPlan, &kBench, &kVerify, &kCompletion};
  return kCommands;
}

CLI::Validator one_of(std::string kind, std::vector<std::string> names) {
  std::string description = fmt::format("{{{}}}", fmt::join(names, ","));
  return CLI::Validator(
      [kind = std::move(kind), names = std::move(names)](const std::string& name) {
        return std::ranges::find(names, name) == names.end() ? unknown_name(kind, name, names) : std::string();
      },
      std::move(description));
}

}  // namespace convoy::cli
