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

std::vector<size_t> widths_of(const Table& table) {
  std::vector<size_t> widths;
  for (const std::string& cell : table.header) widths.push_back(width_of(cell));
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  return widths;
}

constexpr size_t kGap = 2;

// The cells of `row` on the left and those in [begin, end).
void append_line(const Table& table, const std::vector<std::string>& row, const std::vector<size_t>& widths,
                 size_t begin, size_t end, std::string& text) {
  std::string line;
  for (size_t i = 0; i < end; ++i) {
    if (i == table.left_columns) i = begin;
    const std::string padding(widths[i] - width_of(row[i]), ' ');
    if (i > 0) line.append(kGap, ' ');
    line += i < table.left_columns ? row[i] + padding : padding + row[i];
  }
  line.erase(line.find_last_not_of(' ') + 1);
  text += line + '\n';
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

std::string to_text(const Table& given, int width) {
  const Table table = cleaned(given);
  const std::vector<size_t> widths = widths_of(table);
  size_t left_width = 0;
  for (size_t i = 0; i < table.left_columns; ++i) left_width += widths[i] + kGap;
  std::string text;
  size_t begin = table.left_columns;
  do {
    size_t end = begin;
    for (size_t used = left_width; end < widths.size(); ++end) {
      used += widths[end] + (end > begin ? kGap : 0);
      if (width > 0 && end > begin && used > static_cast<size_t>(width)) break;
    }
    if (!text.empty()) text += '\n';
    append_line(table, table.header, widths, begin, end, text);
    for (const auto& row : table.rows) append_line(table, row, widths, begin, end, text);
    begin = end;
  } while (begin < widths.size());
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
