#include "formats/csv_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "convoy/error.h"

namespace convoy {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, std::string_view origin) : rest_(text), origin_(origin) {}

  bool done() const { return rest_.empty(); }

  std::vector<std::string> row() {
    std::vector<std::string> cells;
    do {
      cells.push_back(cell());
    } while (take(","));
    if (!done() && !take("\r\n") && !take("\n")) fail("expected a comma or the end of the line after a quote");
    ++row_;
    return cells;
  }

  [[noreturn]] void fail(std::string_view problem) const {
    throw Error(fmt::format("{}: row {}: {}", origin_, row_, problem));
  }

 private:
  std::string cell() {
    if (take("\"")) return quoted();
    size_t end = std::min(rest_.find_first_of(",\n"), rest_.size());
    if (end < rest_.size() && rest_[end] == '\n' && end > 0 && rest_[end - 1] == '\r') --end;
    const std::string_view text = rest_.substr(0, end);
    if (text.find('"') != std::string_view::npos) fail("a quote inside a cell that has none around it");
    rest_.remove_prefix(end);
    return std::string(text);
  }

  std::string quoted() {
    std::string text;
    while (true) {
      const size_t end = rest_.find('"');
      if (end == std::string_view::npos) fail("a quote is not closed");
      text += rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      if (!take("\"")) return text;
      text += '"';
    }
  }

  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  std::string_view rest_;
  std::string_view origin_;
  int64_t row_ = 1;
};

}  // namespace

std::string csv_row(std::span<const std::string> cells) {
  std::string line;
  for (const std::string& cell : cells) {
    if (&cell != cells.data()) line += ',';
    if (cell.find_first_of(",\"\r\n") == std::string::npos) {
      line += cell;
      continue;
    }
    line += '"';
    for (const char c : cell) line += c == '"' ? std::string("\"\"") : std::string(1, c);
    line += '"';
  }
  return line + '\n';
}

std::vector<std::vector<std::string>> parse_csv(std::string_view text, std::string_view origin) {
  std::vector<std::vector<std::string>> rows;
  CsvParser parser(text, origin);
  while (!parser.done()) {
    rows.push_back(parser.row());
    if (rows.back().size() != rows.front().size()) {
      throw Error(fmt::format("{}: row {} has {} cells, expected {} as in the first", origin, rows.size(),
                              rows.back().size(), rows.front().size()));
    }
  }
  return rows;
}

}  // namespace convoy
