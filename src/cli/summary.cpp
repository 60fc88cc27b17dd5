// `convoy summary MODEL`: layers, parameters and work of a network.
#include "report/summary.h"

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/network.h"
#include "cli/output.h"

namespace convoy::cli {
namespace {

struct Options {
  NetworkFlags network;
  bool json = false;
};

nlohmann::ordered_json to_json(const Options& options, const NetworkSummary& summary) {
  nlohmann::ordered_json json;
  json["model"] = options.network.model;
  json["input"] = options.network.input().extents();
  json["layers"] = nlohmann::ordered_json::array();
  for (const LayerSummary& layer : summary.layers) {
    json["layers"].push_back({{"name", layer.name},
                              {"op", layer.op},
                              {"output", layer.output.extents()},
                              {"parameters", layer.parameters},
                              {"statistics", layer.statistics},
                              {"multiply_adds", layer.multiply_adds}});
  }
  json["total"] = {{"parameters", summary.total.parameters},
                   {"statistics", summary.total.statistics},
                   {"multiply_adds", summary.total.multiply_adds},
                   {"parameter_bytes", 4 * summary.total.parameters},
                   {"activation_bytes", summary.activation_bytes}};
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

void print_table(const Options& options, const NetworkSummary& summary) {
  size_t name_width = 5;
  size_t op_width = 2;
  for (const LayerSummary& layer : summary.layers) {
    name_width = std::max(name_width, layer.name.size());
    op_width = std::max(op_width, layer.op.size());
  }
  const auto row = [&](std::string_view name, std::string_view op, std::string_view output, std::string_view parameters,
                       std::string_view multiply_adds) {
    print("{:<{}}  {:<{}}  {:>16}  {:>12}  {:>16}\n", name, name_width, op, op_width, output, parameters,
          multiply_adds);
  };
  row("layer", "op", "output", "parameters", "multiply-adds");
  for (const LayerSummary& layer : summary.layers) {
    row(layer.name, layer.op, layer.output.to_string(), layer.parameters > 0 ? grouped(layer.parameters) : "",
        layer.multiply_adds > 0 ? grouped(layer.multiply_adds) : "");
  }
  const auto mebibytes = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  print("\n{} on {}\n", options.network.model, options.network.input().to_string());
  print("parameters     {} ({:.1f} MiB), and {} running statistics\n", grouped(summary.total.parameters),
        mebibytes(4 * summary.total.parameters), grouped(summary.total.statistics));
  print("multiply-adds  {} ({:.3f} G)\n", grouped(summary.total.multiply_adds),
        static_cast<double>(summary.total.multiply_adds) * 1e-9);
  print("activations    {:.1f} MiB\n", mebibytes(summary.activation_bytes));
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->network.declare(app);
  app.add_flag("--json", options->json, "Print one JSON object; the sums are under \"total\"");
  return [options] {
    const NetworkSummary summary = summarize(options->network.build());
    if (options->json) {
      print_json(to_json(*options, summary));
    } else {
      print_table(*options, summary);
    }
    return 0;
  };
}

}  // namespace

const Command kSummary = {
    "summary",
    "Show a network's layers, parameters and multiply-adds",
    "  convoy summary resnet50\n"
    "  convoy summary mobilenet_v2 --num-classes 10 --img-size 96 --json",
    declare,
};

}  // namespace convoy::cli
