// `convoy summary MODEL`: layers, parameters and work of a network.
#include "convoy/summary.h"

#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/network.h"
#include "cli/output.h"
#include "cli/table.h"
#include "core/terminal.h"

namespace convoy::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : network(app) {}

  NetworkFlags network;
  bool json = false;
};

// The sizes of a layer or of the whole network, into its JSON object.
void add_counts(nlohmann::ordered_json& json, const LayerSummary& layer) {
  json["parameters"] = layer.parameters;
  json["statistics"] = layer.statistics;
  json["multiply_adds"] = layer.multiply_adds;
  json["madd"] = layer.torchstat.madd;
  json["flops"] = layer.torchstat.flops;
  json["memory_bytes"] = layer.torchstat.memory_bytes;
  json["read_bytes"] = layer.torchstat.read_bytes;
  json["written_bytes"] = layer.torchstat.written_bytes;
}

nlohmann::ordered_json to_json(const Network& network, const NetworkSummary& summary) {
  nlohmann::ordered_json json;
  json["model"] = network.name;
  json["input"] = network.input.extents();
  json["layers"] = nlohmann::ordered_json::array();
  for (const LayerSummary& layer : summary.layers) {
    nlohmann::ordered_json& object = json["layers"].emplace_back(nlohmann::ordered_json{
        {"name", layer.name}, {"op", layer.op}, {"input", layer.input.extents()}, {"output", layer.output.extents()}});
    add_counts(object, layer);
  }
  add_counts(json["total"], summary.total);
  json["total"]["parameter_bytes"] = summary.total.parameter_bytes;
  json["total"]["activation_bytes"] = summary.activation_bytes;
  return json;
}

// 25,557,032
std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto place = static_cast<int64_t>(digits.size()) - 3; place > 0; place -= 3) {
    digits.insert(static_cast<size_t>(place), ",");
  }
  return digits;
}

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void print_layers(const NetworkSummary& summary) {
  Table table{.header = {"layer", "op", "input", "output", "parameters", "MAdd", "FLOPs", "MB", "read", "written"},
              .rows = {},
              .left_columns = 2};
  const auto count = [](int64_t number) { return number > 0 ? grouped(number) : ""; };
  const auto size = [](int64_t bytes) { return bytes > 0 ? fmt::format("{:.2f}", mebibytes(bytes)) : ""; };
  for (const LayerSummary& layer : summary.layers) {
    const TorchstatCounts& counts = layer.torchstat;
    table.rows.push_back({layer.name, layer.op, layer.input.to_string(), layer.output.to_string(),
                          count(layer.parameters), count(counts.madd), count(counts.flops), size(counts.memory_bytes),
                          size(counts.read_bytes), size(counts.written_bytes)});
  }
  print_text(to_text(table, terminal_width(stdout)));
}

void print_totals(const Network& network, const NetworkSummary& summary) {
  const LayerSummary& total = summary.total;
  const TorchstatCounts& counts = total.torchstat;
  const auto billions = [](int64_t number) { return static_cast<double>(number) * 1e-9; };
  print("\n{} on {}\n", network.name, network.input.to_string());
  print("parameters     {} ({:.1f} MB), and {} running statistics\n", grouped(total.parameters),
        mebibytes(total.parameter_bytes), grouped(total.statistics));
  print("multiply-adds  {:.3f} G, of convolutions and matrix products alone\n", billions(total.multiply_adds));
  print("MAdd           {:.2f} G\n", billions(counts.madd));
  print("FLOPs          {:.2f} G\n", billions(counts.flops));
  print("memory         {:.2f} MB\n", mebibytes(counts.memory_bytes));
  print("MemR+W         {:.2f} MB\n", mebibytes(counts.read_bytes + counts.written_bytes));
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  app.add_flag("--json", options->json, "Print one JSON object; the sums are under \"total\"");
  return [options] {
    const Network network = options->network.resolve();
    const NetworkSummary summary = summarize(*network.model, network.options, network.input);
    if (options->json) {
      print_json(to_json(network, summary));
    } else {
      print_layers(summary);
      print_totals(network, summary);
    }
    return 0;
  };
}

}  // namespace

const Command kSummary = {
    "summary",
    "Show a network's layers, parameters and work; MAdd, FLOPs, MB, read and written as torchstat counts them",
    "  convoy summary efficientnetv2_s --num-classes 1000 --img-size 224\n"
    "  convoy summary mobilenet_v2 --num-classes 10 --img-size 96 --json",
    declare,
};

}  // namespace convoy::cli
