#include "formats/strict_json.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "convoy/error.h"

namespace convoy {

using nlohmann::json;

json parse_strict_json(std::string_view text, int deepest, std::string_view what) {
  std::vector<std::set<std::string>> keys(static_cast<size_t>(deepest) + 1);  // of the object open at each depth
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    const auto level = static_cast<size_t>(depth);
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      if (depth >= deepest) throw Error(fmt::format("{} is nested too deeply", what));
      keys[level + 1].clear();
    }
    if (event == json::parse_event_t::key && !keys[level].insert(parsed.get_ref<const std::string&>()).second) {
      throw Error(fmt::format("{} names {} twice", what, quote_name(parsed.get_ref<const std::string&>())));
    }
    return true;
  };
  json parsed;
  try {
    parsed = json::parse(text, check);
  } catch (const json::exception& error) {
    throw Error(fmt::format("{} is not JSON: {}", what, quote_name(error.what())));
  }
  if (!parsed.is_object()) throw Error(fmt::format("{} is not a JSON object", what));
  return parsed;
}

std::string quote_name(std::string_view name) {
  constexpr size_t kLongest = 100;
  const std::string_view shown = name.substr(0, kLongest);
  return json(shown).dump(-1, ' ', true, json::error_handler_t::replace) + (shown.size() < name.size() ? "..." : "");
}

}  // namespace convoy
