#include <fmt/format.h>

#include <array>

#include "convoy/quantize.h"
#include "formats/atomic_file.h"
#include "formats/csv_table.h"

namespace convoy {

void write_quantize_csv(const QuantizeReport& report, const std::filesystem::path& path) {
  const std::array<std::string, 10> header = {"layer", "kind",        "precision",   "multiply_adds", "low",
                                              "high",  "weight_sqnr", "output_sqnr", "logits_sqnr",   "reason"};
  std::string text = csv_row(header);
  for (const QuantizeReport::Layer& layer : report.layers) {
    const std::array<std::string, 10> row = {layer.name,
                                             layer.kind,
                                             layer.int8 ? "int8" : "float32",
                                             fmt::to_string(layer.multiply_adds),
                                             fmt::format("{:.6g}", layer.low),
                                             fmt::format("{:.6g}", layer.high),
                                             fmt::format("{:.2f}", layer.weight_sqnr),
                                             fmt::format("{:.2f}", layer.output_sqnr),
                                             layer.logits_sqnr ? fmt::format("{:.2f}", *layer.logits_sqnr) : "",
                                             layer.reason};
    text += csv_row(row);
  }
  write_file_atomically(path, text);
}

}  // namespace convoy
