// `convoy models`: the networks that Convoy knows.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "convoy/model.h"
#include "core/terminal.h"
#include "plan/network_graph.h"
#include "report/summary.h"

namespace convoy::cli {
namespace {

int64_t parameters_of(const Model& model) {
  const Shape image{1, model.image_size, model.image_size, 3};
  return summarize(inference_graph(model, {.num_classes = model.num_classes}, image)).total.parameters;
}

void list(bool as_json) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  size_t width = 0;
  constexpr int kLeast = 60;  // columns in which a description has room
  const int terminal = terminal_width(stdout);
  const size_t columns = terminal < kLeast ? SIZE_MAX : static_cast<size_t>(terminal);
  for (const Model& model : models()) width = std::max(width, model.name.size());
  for (const Model& model : models()) {
    const int64_t parameters = parameters_of(model);
    if (as_json) {
      json.push_back({{"name", model.name},
                      {"description", model.description},
                      {"image_size", model.image_size},
                      {"num_classes", model.num_classes},
                      {"parameters", parameters}});
    } else {
      const std::string head = fmt::format("{:<{}}  {:>4} px  {:>6.2f} M  ", model.name, width, model.image_size,
                                           static_cast<double>(parameters) * 1e-6);
      print_text(wrapped(head + model.description, columns, head.size()) + '\n');
    }
  }
  if (as_json) print_json(json);
}

std::function<int()> declare(CLI::App& app) {
  auto as_json = std::make_shared<bool>(false);
  app.add_flag("--json", *as_json, "Print a JSON array");
  return [as_json] {
    list(*as_json);
    return 0;
  };
}

}  // namespace

const Command kModels = {
    "models",
    "List the networks with their image size and parameters",
    "  convoy models\n"
    "  convoy models --json",
    declare,
};

}  // namespace convoy::cli
