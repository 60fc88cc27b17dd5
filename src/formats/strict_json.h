// JSON from files that are not trusted.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace convoy {

// The JSON object in `text`, with at most `deepest` levels of nesting (1 for an object of scalars) and no key twice in
// an object. Throws Error, in which `what` names the text.
nlohmann::json parse_strict_json(std::string_view text, int deepest, std::string_view what);

// A name from a file, fit for a one-line message: in quotes, shortened, control characters escaped.
std::string quote_name(std::string_view name);

}  // namespace convoy
