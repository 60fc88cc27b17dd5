// The flags of a training run: one for each field of the recipe.
#pragma once

#include <CLI/CLI.hpp>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/recipe.h"

namespace convoy::cli {

// Declares --recipe and the flags of all fields but `data`, the command's own argument; or of those that `only` names,
// by themselves or by their section.
class RecipeFlags {
 public:
  explicit RecipeFlags(CLI::App& app, std::span<const std::string_view> only = {});
  RecipeFlags(const RecipeFlags&) = delete;
  RecipeFlags& operator=(const RecipeFlags&) = delete;

  // A flag overrules the environment, that the recipe file, that the defaults. Throws UsageError, Error as reading a
  // recipe does; whether the fields fit together remains to be checked.
  Recipe resolve() const;
  // The fields whose flags were given, and "recipe" where --recipe was.
  std::vector<std::string_view> given() const;

 private:
  struct Flag {
    const RecipeField* field;
    const CLI::Option* option;
    std::string text;
  };

  std::string file_;
  std::deque<Flag> flags_;  // the options point into it
};

}  // namespace convoy::cli
