#include "train/recipe_environment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/error.h"
#include "convoy/recipe.h"
#include "core/text.h"

namespace convoy {
namespace {

constexpr std::string_view kPrefix = "CONVOY_";

// "CONVOY_BATCH_SIZE" of batch-size.
std::string variable_of(std::string_view setting) {
  std::string variable(kPrefix);
  for (const char c : setting) {
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

}  // namespace

void read_recipe_environment(Recipe& recipe) {
  for (const RecipeField& field : recipe_fields()) {
    const std::string variable = variable_of(field.name);
    const char* text = std::getenv(variable.c_str());
    if (text != nullptr && *text != '\0') set_field(recipe, field, text, variable);
  }
}

void check_environment() {
  std::vector<std::string> settings = {"isa"};
  for (const RecipeField& field : recipe_fields()) settings.emplace_back(field.name);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry, std::string_view(*entry).find('='));
    if (!variable.starts_with(kPrefix)) continue;
    const auto known = [&](const std::string& setting) { return variable_of(setting) == variable; };
    if (std::ranges::any_of(settings, known)) continue;
    // The prefix, which all share, would make any two names near.
    const std::string meant = nearest(variable.substr(kPrefix.size()), settings);
    throw UsageError(fmt::format(
        "unknown variable '{}'{}; unset it, or name a flag of `convoy train`, as {} does", variable,
        meant.empty() ? "" : fmt::format(" (did you mean '{}'?)", variable_of(meant)), variable_of("batch-size")));
  }
}

}  // namespace convoy
