// Standard output: text and JSON, with failing writes noticed once.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

namespace convoy::cli {

void print_text(std::string_view text);

template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}

// Bytes that are not UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json& json);

// Flushes; throws Error when some output was lost, unless its reader went away, which is its right.
void finish_output();

}  // namespace convoy::cli
