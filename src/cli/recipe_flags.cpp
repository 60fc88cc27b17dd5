#include "cli/recipe_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace convoy::cli {
namespace {

std::string flag_names(std::string_view name) {
  if (name == "batch-size") return "-b,--batch-size";
  if (name == "workers") return "-j,--workers";
  return fmt::format("--{}", name);
}

std::string type_name(const RecipeField& field) {
  if (field.name == "model") return "NAME";
  if (const auto choices = field.choices(); !choices.empty()) return fmt::format("{{{}}}", fmt::join(choices, ","));
  switch (field.type) {
    case RecipeField::Type::boolean: return "";
    case RecipeField::Type::integer: return "N";
    case RecipeField::Type::number: return "X";
    case RecipeField::Type::text: return "TEXT";
    case RecipeField::Type::list: return "X,X";
  }
  return "";
}

}  // namespace

RecipeFlags::RecipeFlags(CLI::App& app, std::span<const std::string_view> only) {
  app.add_option("--recipe", file_, "A TOML file whose keys are the names of the flags in the sections below")
      ->type_name("FILE");
  const Recipe defaults;
  for (const RecipeField& field : recipe_fields()) {
    const auto named = [&](std::string_view name) { return std::ranges::find(only, name) != only.end(); };
    if (field.name == "data" || (!only.empty() && !named(field.name) && !named(field.section))) continue;
    Flag& flag = flags_.emplace_back(Flag{&field, nullptr, {}});
    const std::string standard = field.get(defaults).value_or("");
    const bool is_off = standard.empty() || standard == "false";
    const std::string help = is_off ? field.help : fmt::format("{} [{}]", field.help, standard);
    CLI::Option* option = nullptr;
    if (field.type == RecipeField::Type::boolean) {
      option = app.add_flag(fmt::format("--{0},!--no-{0}", field.name), flag.text, help);
    } else {
      option = app.add_option(flag_names(field.name), flag.text, help)->type_name(type_name(field));
    }
    flag.option = option->group(std::string(field.section))->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
}

Recipe RecipeFlags::resolve() const {
  Recipe recipe;
  if (!file_.empty()) read_recipe(recipe, file_);
  read_recipe_environment(recipe);
  for (const Flag& flag : flags_) {
    if (flag.option->count() > 0) set_field(recipe, *flag.field, flag.text, fmt::format("--{}", flag.field->name));
  }
  return recipe;
}

std::vector<std::string_view> RecipeFlags::given() const {
  std::vector<std::string_view> names;
  if (!file_.empty()) names.emplace_back("recipe");
  for (const Flag& flag : flags_) {
    if (flag.option->count() > 0) names.push_back(flag.field->name);
  }
  return names;
}

}  // namespace convoy::cli
