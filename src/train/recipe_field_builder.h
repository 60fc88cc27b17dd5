// Building the list of a recipe's settings: how a member of Recipe is read, checked, written and described.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "convoy/recipe.h"
#include "core/byte_size.h"

namespace convoy::recipe_builder {

inline constexpr double kAnyPositive = 1e12;

// The values that a number may take.
struct Range {
  double low = 0;
  double high = kAnyPositive;
  bool above_low = false;  // low itself is excluded

  bool holds(double value) const { return (above_low ? value > low : value >= low) && value <= high; }
  std::string in_words() const {
    const std::string_view lower = above_low ? "above" : high < kAnyPositive ? "from" : "of at least";
    const std::string upper = high < kAnyPositive ? fmt::format(" {} {}", above_low ? "and at most" : "to", high) : "";
    return fmt::format("{} {}{}", lower, low, upper);
  }
};

inline constexpr Range kCount{1, 1e9};
inline constexpr Range kProbability{0, 1};
// Where 1 would leave nothing over.
inline constexpr Range kShare{0, 0.999999};

template <class Enum>
using Choices = std::vector<std::pair<std::string_view, Enum>>;

inline bool parse(std::string_view text, bool& value) {
  value = text == "true" || text == "1";
  return value || text == "false" || text == "0";
}

inline bool parse(std::string_view text, std::string& value) {
  value = text;
  return true;
}

template <class Number>
requires(std::is_same_v<Number, int64_t> || std::is_same_v<Number, double>) bool parse(std::string_view text,
                                                                                       Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

inline std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    parts.push_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

template <size_t count>
bool parse(std::string_view text, std::array<double, count>& values) {
  const std::vector<std::string_view> parts = split(text);
  if (parts.size() != count) return false;
  for (size_t i = 0; i < count; ++i) {
    if (!parse(parts[i], values[i])) return false;
  }
  return true;
}

template <class Number>
bool parse(std::string_view text, std::vector<Number>& values) {
  values.clear();
  for (const std::string_view part : split(text)) {
    if (!parse(part, values.emplace_back())) return false;
  }
  return true;
}

template <class Number>
bool in_range(const Range& range, const Number& value) {
  return range.holds(static_cast<double>(value));
}
template <size_t count>
bool in_range(const Range& range, const std::array<double, count>& values) {
  return std::ranges::all_of(values, [&](double value) { return range.holds(value); });
}
inline bool in_range(const Range& range, const std::vector<int64_t>& values) {
  return std::ranges::all_of(values, [&](int64_t value) { return in_range(range, value); }) &&
         std::ranges::is_sorted(values);
}

inline bool in_range(const Range& range, const std::vector<double>& values) {
  return std::ranges::all_of(values, [&](double value) { return range.holds(value); });
}

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
constexpr RecipeField::Type type_of() {
  if constexpr (std::is_same_v<T, bool>) return RecipeField::Type::boolean;
  if constexpr (std::is_same_v<T, int64_t>) return RecipeField::Type::integer;
  if constexpr (std::is_same_v<T, double>) return RecipeField::Type::number;
  if constexpr (std::is_same_v<T, std::string>) return RecipeField::Type::text;
  return RecipeField::Type::list;
}

template <class T>
std::string words_for(const Range& range) {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, std::string>) return "text";
  if constexpr (std::is_same_v<T, int64_t>) return "an integer " + range.in_words();
  if constexpr (std::is_same_v<T, double>) return "a number " + range.in_words();
  if constexpr (std::is_same_v<T, std::vector<int64_t>>) return "ascending integers " + range.in_words();
  if constexpr (std::is_same_v<T, std::vector<double>>) return "numbers " + range.in_words();
  if constexpr (std::is_same_v<T, std::array<double, 2>>) return "two numbers " + range.in_words();
  if constexpr (std::is_same_v<T, std::array<double, 3>>) return "three numbers " + range.in_words();
}

template <class T>
std::string as_text(const T& value) {
  if constexpr (type_of<T>() == RecipeField::Type::list) return fmt::format("{}", fmt::join(value, ","));
  return fmt::format("{}", value);
}

// The list under construction.
class Fields {
 public:
  void section(std::string_view name) { section_ = name; }

  template <class T>
  RecipeField& add(std::string_view name, T Recipe::*member, std::string_view help, const Range& range = {}) {
    RecipeField& field = begin(name, help);
    field.type = type_of<T>();
    field.expected = [range] { return words_for<T>(range); };
    field.get = [member](const Recipe& recipe) { return as_text(recipe.*member); };
    field.set = [member, range](Recipe& recipe, std::string_view text) { return store(text, range, recipe.*member); };
    return field;
  }

  template <class T>
  RecipeField& add(std::string_view name, std::optional<T> Recipe::*member, std::string_view help,
                   const Range& range = {}) {
    RecipeField& field = begin(name, help);
    field.type = type_of<T>();
    field.expected = [range] { return words_for<T>(range) + ", or auto"; };
    field.get = [member](const Recipe& recipe) {
      return recipe.*member ? std::optional(as_text(*(recipe.*member))) : std::nullopt;
    };
    field.set = [member, range](Recipe& recipe, std::string_view text) {
      if (text == "auto") {
        (recipe.*member).reset();
        return true;
      }
      T value{};
      if (!store(text, range, value)) return false;
      recipe.*member = value;
      return true;
    };
    return field;
  }

  // An integer of which 0 stands for "auto".
  RecipeField& add_or_auto(std::string_view name, int64_t Recipe::*member, std::string_view help, const Range& range) {
    RecipeField& field = add(name, member, help, range);
    field.expected = [range] { return words_for<int64_t>(range) + ", or auto"; };
    field.get = [member](const Recipe& recipe) { return recipe.*member == 0 ? "auto" : as_text(recipe.*member); };
    field.set = [member, range](Recipe& recipe, std::string_view text) {
      if (text != "auto") return store(text, range, recipe.*member);
      recipe.*member = 0;
      return true;
    };
    return field;
  }

  // An amount of memory.
  RecipeField& add_bytes(std::string_view name, std::optional<int64_t> Recipe::*member, std::string_view help) {
    RecipeField& field = begin(name, help);
    field.expected = [] { return "an amount of memory such as 1.5G or 800M, or auto"; };
    field.get = [member](const Recipe& recipe) {
      return recipe.*member ? std::optional(byte_size_text(*(recipe.*member))) : std::nullopt;
    };
    field.set = [member](Recipe& recipe, std::string_view text) {
      const std::optional<int64_t> bytes = parse_byte_size(text);
      if (bytes || text == "auto") recipe.*member = bytes;
      return bytes || text == "auto";
    };
    return field;
  }

  template <class Enum>
  RecipeField& add(std::string_view name, Enum Recipe::*member, const Choices<Enum>& choices, std::string_view help) {
    std::vector<std::string> words;
    for (const auto& [word, value] : choices) words.emplace_back(word);
    RecipeField& field = begin_choice(
        name, [words] { return words; }, help);
    field.get = [member, choices](const Recipe& recipe) -> std::optional<std::string> {
      for (const auto& [word, value] : choices) {
        if (value == recipe.*member) return std::string(word);
      }
      return "?";
    };
    field.set = [member, choices](Recipe& recipe, std::string_view text) {
      for (const auto& [word, value] : choices) {
        if (word == text) {
          recipe.*member = value;
          return true;
        }
      }
      return false;
    };
    return field;
  }

  // A name of a table that programs may add to.
  RecipeField& add_name(std::string_view name, std::string Recipe::*member,
                        const std::function<std::vector<std::string>()>& names, std::string_view help) {
    RecipeField& field = begin_choice(name, names, help);
    field.get = [member](const Recipe& recipe) { return recipe.*member; };
    field.set = [member, names](Recipe& recipe, std::string_view text) {
      const std::vector<std::string> known = names();
      if (std::ranges::find(known, text) == known.end()) return false;
      recipe.*member = text;
      return true;
    };
    return field;
  }

  std::vector<RecipeField> take() { return std::move(fields_); }

 private:
  RecipeField& begin(std::string_view name, std::string_view help) {
    RecipeField& field = fields_.emplace_back();
    field.name = name;
    field.section = section_;
    field.help = help;
    field.choices = [] { return std::vector<std::string>(); };
    return field;
  }
  RecipeField& begin_choice(std::string_view name, const std::function<std::vector<std::string>()>& choices,
                            std::string_view help) {
    RecipeField& field = begin(name, help);
    field.choices = choices;
    field.expected = [choices] { return fmt::format("one of {}", fmt::join(choices(), ", ")); };
    return field;
  }

  template <class T>
  static bool store(std::string_view text, const Range& range, T& into) {
    T value{};
    if (!parse(text, value)) return false;
    if constexpr (!std::is_same_v<T, bool> && !std::is_same_v<T, std::string>) {
      if (!in_range(range, value)) return false;
    }
    into = std::move(value);
    return true;
  }

  std::vector<RecipeField> fields_;
  std::string_view section_;
};

}  // namespace convoy::recipe_builder
