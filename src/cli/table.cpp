#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text.h"

namespace convoy::cli {
namespace {

// Characters, which is what fmt counts when it pads.
size_t width_of(const std::string& cell) {
  return static_cast<size_t>(
      std::ranges::count_if(cell, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

Table cleaned(const Table& table) {
  Table result = table;
  for (auto& row : result.rows) {
    for (std::string& cell : row) cell = printable(cell);
  }
  return result;
}

std::string escaped(const std::string& cell) {
  std::string result;
  for (const char c : cell) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

}  // namespace

std::string to_text(const Table& given) {
  const Table table = cleaned(given);
  std::vector<size_t> widths;
  for (const std::string& cell : table.header) widths.push_back(width_of(cell));
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      line += (i == 0 ? "" : "  ") + (i < table.left_columns ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  add(table.header);
  for (const auto& row : table.rows) add(row);
  return text;
}

std::string to_markdown(const Table& given) {
  const Table table = cleaned(given);
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    text += '|';
    for (const std::string& cell : row) text += fmt::format(" {} |", escaped(cell));
    text += '\n';
  };
  add(table.header);
  text += '|';
  for (size_t i = 0; i < table.header.size(); ++i) text += i < table.left_columns ? "---|" : "---:|";
  text += '\n';
  for (const auto& row : table.rows) add(row);
  return text;
}

}  // namespace convoy::cli
