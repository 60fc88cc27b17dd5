// A table of text for people: aligned columns or Markdown.
#pragma once

#include <string>
#include <vector>

namespace convoy::cli {

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // as many cells as the header
  size_t left_columns = 1;                     // aligned to the left; the others to the right
};

// Columns are two spaces apart. A table wider than `width` characters, 0 for no limit, comes in parts below each other,
// each with the columns on the left and as many of the others as fit, at least one.
std::string to_text(const Table& table, int width = 0);
std::string to_markdown(const Table& table);

}  // namespace convoy::cli
