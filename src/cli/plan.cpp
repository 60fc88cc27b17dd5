// `convoy plan MODEL`: the graph before and after the passes, with the kernels and the memory of the plan.
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "cli/commands.h"
#include "cli/network.h"
#include "cli/output.h"
#include "plan/passes.h"
#include "plan/program.h"
#include "plan/reparameterise.h"
#include "report/summary.h"
#include "train/step.h"

namespace convoy::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : network(app) {}

  NetworkFlags network;
  bool train = false;
  std::vector<std::string> disabled_passes;
  bool json = false;
};

struct Plan {
  const Network& network;
  std::string before;
  std::map<std::string_view, int> folded;  // what convolutions took in, by rule of reparameterise()
  std::vector<PassReport> passes;
  const Program& program;
  size_t variable_bytes = 0;
};

void print_plan(const Plan& plan) {
  print("# {} {}, as written\n", plan.network.name, plan.network.input.to_string());
  print_text(plan.before + "\n# passes\n");
  for (const auto& [rule, count] : plan.folded) print("{:<24} {:>5} rewrites\n", fmt::format("fold {}", rule), count);
  for (const PassReport& pass : plan.passes) {
    print("{:<24} {:>5} rewrites {:>8.2f} ms\n", pass.name, pass.rewrites, pass.seconds * 1e3);
  }
  print("\n# as it runs, with the kernel of each node\n");
  std::istringstream lines(plan.program.graph().to_string());
  std::string line;
  for (const Program::NodeReport& report : plan.program.reports()) {
    std::getline(lines, line);
    print("{}  [{}]\n", line, report.kernel);
    for (const std::string& refused : report.refused) print("    not {}\n", refused);
  }
  while (std::getline(lines, line)) print("{}\n", line);
  constexpr double kMebi = 1 << 20;
  print("\n# memory\n{:.1f} MiB of activations and gradients, {:.1f} MiB of parameters and optimizer state\n",
        static_cast<double>(plan.program.arena_bytes()) / kMebi, static_cast<double>(plan.variable_bytes) / kMebi);
}

nlohmann::ordered_json to_json(const Options& options, const Plan& plan) {
  nlohmann::ordered_json json;
  json["model"] = plan.network.name;
  json["input"] = plan.network.input.extents();
  json["train"] = options.train;
  json["folded"] = plan.folded;
  json["passes"] = nlohmann::ordered_json::array();
  for (const PassReport& pass : plan.passes) {
    json["passes"].push_back({{"name", pass.name}, {"rewrites", pass.rewrites}, {"seconds", pass.seconds}});
  }
  json["nodes"] = nlohmann::ordered_json::array();
  std::istringstream lines(plan.program.graph().to_string());
  std::string line;
  for (const Program::NodeReport& report : plan.program.reports()) {
    std::getline(lines, line);
    json["nodes"].push_back({{"node", line},
                             {"kernel", report.kernel},
                             {"refused", report.refused},
                             {"workspace_bytes", report.workspace}});
  }
  json["planned_bytes"] = plan.program.arena_bytes();
  json["variable_bytes"] = plan.variable_bytes;
  return json;
}

void show(const Options& options, const Plan& plan) {
  if (options.json) {
    print_json(to_json(options, plan));
  } else {
    print_plan(plan);
  }
}

void show_inference(const Options& options, const Network& network, const std::set<std::string>& disabled) {
  const Graph as_written = network.build();
  Reparameterised folded = reparameterise(as_written);  // as eval and predict infer
  std::vector<PassReport> passes = run_passes(folded.graph, forward_passes(), disabled);
  const int64_t parameter_bytes = 4 * summarize(folded.graph).total.parameters;
  const Program program(std::move(folded.graph), {.prepared = true});
  show(options,
       {network, as_written.to_string(), folded.rewrites, passes, program, static_cast<size_t>(parameter_bytes)});
}

void show_training(const Options& options, const Network& network, const std::set<std::string>& disabled) {
  StepOptions step_options;
  step_options.model = network.model;
  step_options.model_options = network.options;
  step_options.batch_size = network.input[0];
  step_options.image_size = network.input[1];
  step_options.disabled_passes = disabled;
  Variables variables;
  const TrainingStep step(step_options, variables, 0);
  show(options, {network, step.plain_text(), {}, step.pass_reports(), step.program(), variables.bytes()});
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass& pass : forward_passes()) names.emplace_back(pass.name);
  for (const Pass& pass : step_passes()) names.emplace_back(pass.name);
  return names;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  app.add_flag("--train", options->train, "Plan a training step [inference]");
  app.add_option("--disable-pass", options->disabled_passes, "Leave out this pass; may be repeated")
      ->check(one_of("pass", pass_names()));
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options] {
    const std::set<std::string> disabled(options->disabled_passes.begin(), options->disabled_passes.end());
    (options->train ? show_training : show_inference)(*options, options->network.resolve(), disabled);
    return 0;
  };
}

}  // namespace

const Command kPlan = {
    "plan",
    "Show the graph before and after the passes, with kernels and memory",
    "  convoy plan resnet50 --train --batch-size 16\n"
    "  convoy plan conv2former_n --batch-size 64 --disable-pass fuse-addend --json",
    declare,
};

}  // namespace convoy::cli
