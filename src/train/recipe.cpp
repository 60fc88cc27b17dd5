#include "convoy/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <fstream>
#include <sstream>

#include "convoy/error.h"
#include "core/text.h"

namespace convoy {
namespace {

constexpr size_t kLargestFile = size_t{1} << 20;

using Type = RecipeField::Type;

constexpr std::string_view kAuto = "auto";  // stands for a value of any type that is left open

// What a TOML value of the field's type is as the field's text; nullopt for another type.
std::optional<std::string> text_of(const toml::node& node, Type type) {
  if (node.value_exact<std::string>() == kAuto) return std::string(kAuto);
  switch (type) {
    case Type::boolean:
      if (const auto value = node.value_exact<bool>()) return fmt::format("{}", *value);
      break;
    case Type::number:
      if (const auto value = node.value_exact<double>()) return fmt::format("{}", *value);
      [[fallthrough]];
    case Type::integer:
      if (const auto value = node.value_exact<int64_t>()) return fmt::format("{}", *value);
      break;
    case Type::text: return node.value_exact<std::string>();
    case Type::list:
      if (const toml::array* array = node.as_array()) {
        std::vector<std::string> parts;
        for (const toml::node& element : *array) {
          const auto part = text_of(element, Type::number);
          if (!part) return std::nullopt;
          parts.push_back(*part);
        }
        return fmt::format("{}", fmt::join(parts, ","));
      }
      return text_of(node, Type::number);
  }
  return std::nullopt;
}

std::string quoted(const std::string& text) {
  std::ostringstream out;
  out << toml::value<std::string>(to_utf8(text));
  return out.str();
}

// The node on one line, as a message shows it.
std::string shown(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) { out << value; });
  std::string text = out.str();
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

void set_from(Recipe& recipe, std::string_view key, const toml::node& node, std::string_view origin) {
  const std::string source = fmt::format("{}:{}: {}", origin, node.source().begin.line, key);
  std::vector<std::string> names;
  for (const RecipeField& field : recipe_fields()) {
    names.emplace_back(field.name);
    if (field.name != key) continue;
    const auto text = text_of(node, field.type);
    if (!text) throw UsageError(fmt::format("{}: expected {}, got {}", source, field.expected(), shown(node)));
    set_field(recipe, field, *text, source);
    return;
  }
  throw UsageError(fmt::format("{}:{}: {}", origin, node.source().begin.line, unknown_name("key", key, names)));
}

}  // namespace

const RecipeField& find_recipe_field(std::string_view name) {
  std::vector<std::string> names;
  for (const RecipeField& field : recipe_fields()) {
    if (field.name == name) return field;
    names.emplace_back(field.name);
  }
  throw UsageError(unknown_name("setting", name, names));
}

void set_field(Recipe& recipe, const RecipeField& field, std::string_view text, std::string_view source) {
  if (!field.set(recipe, text)) {
    throw UsageError(fmt::format("{}: expected {}, got '{}'", source, field.expected(), text));
  }
}

void read_recipe_text(Recipe& recipe, std::string_view toml, std::string_view origin) {
  toml::table table;
  try {
    table = toml::parse(toml);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: {}", origin, error.source().begin.line, error.description()));
  }
  Recipe changed = recipe;
  for (const auto& [key, node] : table) set_from(changed, key.str(), node, origin);
  recipe = std::move(changed);
}

void read_recipe(Recipe& recipe, const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text;
  char chunk[4096];
  while (in.read(chunk, sizeof chunk) || in.gcount() > 0) {
    text.append(chunk, static_cast<size_t>(in.gcount()));
    if (text.size() > kLargestFile) throw Error(fmt::format("{}: too large for a recipe", file.string()));
  }
  if (!in.eof()) throw FileError(fmt::format("{}: cannot read the recipe", file.string()));
  read_recipe_text(recipe, text, file.string());
}

std::string to_toml(const Recipe& recipe) {
  std::string out;
  std::string_view section;
  for (const RecipeField& field : recipe_fields()) {
    const auto text = field.get(recipe);
    if (!text) continue;
    if (field.section != section) {
      out += fmt::format("{}# {}\n", out.empty() ? "" : "\n", field.section);
      section = field.section;
    }
    switch (*text == kAuto ? Type::text : field.type) {
      case Type::text: out += fmt::format("{} = {}\n", field.name, quoted(*text)); break;
      case Type::list: out += fmt::format("{} = [{}]\n", field.name, *text); break;
      default: out += fmt::format("{} = {}\n", field.name, *text);
    }
  }
  return out;
}

}  // namespace convoy
