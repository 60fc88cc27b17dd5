// Standard output: text and JSON, with failing writes noticed once. Standard error: one line for each mistake.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <type_traits>

#include "core/text.h"

namespace convoy::cli {

void print_text(std::string_view text);

template <class T>
decltype(auto) printable_argument(const T& argument) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return printable(argument);
  } else {
    return argument;
  }
}

// Texts among the arguments, which may be names from strangers, come out as printable() leaves them.
template <class... Args>
void print(fmt::format_string<const Args&...> format, const Args&... args) {
  print_text(fmt::format(fmt::runtime(format), printable_argument(args)...));
}

// Bytes that are not UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json& json);
// On one line.
void print_json_line(const nlohmann::ordered_json& json);

// The line "<source>: <message>" on standard error, the message as printable() leaves it, after what standard output
// has.
void print_error(std::string_view source, std::string_view message);

// Hands to the system what was printed; false when some of it was lost.
bool flush_output();

// Flushes; throws Error when some output was lost, unless its reader went away, which is its right.
void finish_output();

}  // namespace convoy::cli
