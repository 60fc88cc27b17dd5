// Tables as comma-separated text (RFC 4180).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

// A line of the table, its end included; cells that need it are quoted.
std::string csv_row(std::span<const std::string> cells);

// The rows of `text`; lines may end in CRLF. Throws Error that names `origin` and the row, the first being 1, when a
// quote is not closed or stands inside a cell, or a row has another number of cells than the first.
std::vector<std::vector<std::string>> parse_csv(std::string_view text, std::string_view origin);

}  // namespace convoy
