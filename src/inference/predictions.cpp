#include "inference/predictions.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <map>

#include "convoy/error.h"
#include "core/text.h"
#include "data/image.h"
#include "formats/atomic_file.h"
#include "formats/csv_table.h"
#include "formats/strict_json.h"

namespace convoy {
namespace {

const std::array<std::string, 6> kColumns = {"image", "class", "predicted", "confidence", "rank", "loss"};

template <class Number>
Number number_from(const std::string& cell) {
  Number value{};
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size()) {
    throw Error(fmt::format("expected a number, got {}", quote_name(cell)));
  }
  return value;
}

}  // namespace

void write_predictions(const std::filesystem::path& path, const std::vector<std::string>& class_names,
                       const std::vector<ImageOutcome>& outcomes) {
  std::string text = csv_row(kColumns);
  for (const ImageOutcome& outcome : outcomes) {
    text +=
        csv_row(std::array{outcome.image, class_names.at(static_cast<size_t>(outcome.label)),
                           class_names.at(static_cast<size_t>(outcome.predicted)), fmt::to_string(outcome.confidence),
                           fmt::to_string(outcome.rank), fmt::to_string(outcome.loss)});
  }
  write_file_atomically(path, text);
}

std::vector<ImageOutcome> read_predictions(const std::filesystem::path& path,
                                           const std::vector<std::string>& class_names) {
  const std::vector<uint8_t> bytes = read_file(path);
  const auto rows = parse_csv({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
  if (rows.empty() || !std::ranges::equal(rows.front(), kColumns)) {
    throw Error(fmt::format("{}: its first line is not that of a {} of convoy train", path.string(), kPredictionsFile));
  }
  std::map<std::string, int> number_of;
  for (const std::string& name : class_names) number_of.emplace(name, static_cast<int>(number_of.size()));
  const auto class_from = [&](const std::string& name) {
    const auto found = number_of.find(name);
    if (found == number_of.end()) throw Error(unknown_name("class", to_utf8(name), class_names));
    return found->second;
  };
  std::vector<ImageOutcome> outcomes;
  for (size_t row = 1; row < rows.size(); ++row) {
    const std::vector<std::string>& cells = rows[row];
    try {
      outcomes.push_back({.image = cells[0],
                          .label = class_from(cells[1]),
                          .predicted = class_from(cells[2]),
                          .confidence = number_from<double>(cells[3]),
                          .rank = number_from<int64_t>(cells[4]),
                          .loss = number_from<double>(cells[5])});
    } catch (const Error& error) {
      error.rethrow(fmt::format("{}: row {}: {}", path.string(), row + 1, error.what()));
    }
  }
  return outcomes;
}

}  // namespace convoy
