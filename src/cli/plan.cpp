// `convoy plan MODEL`: the graph before and after the passes, with the kernels and the memory of the plan.
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "cli/commands.h"
#include "cli/network.h"
#include "cli/output.h"
#include "cli/training_step.h"
#include "plan/batch_program.h"
#include "plan/maps.h"
#include "plan/passes.h"
#include "plan/reparameterise.h"
#include "report/summary.h"
#include "train/benchmark.h"

namespace convoy::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : network(app) {}

  NetworkFlags network;
  StepFlags step;
  std::vector<std::string> disabled_passes;
  bool json = false;
};

struct Plan {
  const Network& network;
  std::string before;
  std::map<std::string_view, int> folded;  // what convolutions took in, by rule of reparameterise()
  std::vector<PassReport> passes;
  std::vector<ProgramRuns> programs;
  size_t arena_bytes = 0, variable_bytes = 0;
  RepeatedWork repeated = {};
};

// Calls visit(line, report) for every node as the graph prints it; the lines behind them have no report.
void for_nodes(const Program& program,
               const std::function<void(const std::string& line, const Program::NodeReport* report)>& visit) {
  std::istringstream lines(program.graph().to_string());
  std::string line;
  for (size_t i = 0; std::getline(lines, line); ++i) {
    visit(line, i < program.reports().size() ? &program.reports()[i] : nullptr);
  }
}

void print_plan(const Plan& plan) {
  print("# {} {}, as written\n", plan.network.name, plan.network.input.to_string());
  print_text(plan.before + "\n# passes\n");
  for (const auto& [rule, count] : plan.folded) print("{:<24} {:>5} rewrites\n", fmt::format("fold {}", rule), count);
  for (const PassReport& pass : plan.passes) {
    print("{:<24} {:>5} rewrites {:>8.2f} ms\n", pass.name, pass.rewrites, pass.seconds * 1e3);
  }
  print("\n# as it runs, with the kernel of each node\n");
  for (const ProgramRuns& runs : plan.programs) {
    if (runs.runs > 1) print("# {} times, for one image after the other, {} at once\n", runs.runs, runs.at_once);
    if (runs.runs == 1 && plan.programs.size() > 1) print("# once, for all images\n");
    for_nodes(*runs.program, [](const std::string& line, const Program::NodeReport* report) {
      if (report == nullptr) return print("{}\n", line);
      print("{}  [{}{}{}]\n", line, report->kernel, report->widened ? ", on floats" : "",
            report->striped ? ", striped" : "");
      for (const std::string& refused : report->refused) print("    not {}\n", refused);
    });
  }
  constexpr double kMebi = 1 << 20;
  print("\n# memory\n{:.1f} MiB of activations and gradients, {:.1f} MiB of parameters and optimizer state\n",
        static_cast<double>(plan.arena_bytes) / kMebi, static_cast<double>(plan.variable_bytes) / kMebi);
  print_repeated(plan.repeated, plan.arena_bytes + plan.variable_bytes);
}

nlohmann::ordered_json to_json(const Options& options, const Plan& plan) {
  nlohmann::ordered_json json;
  json["model"] = plan.network.name;
  json["input"] = plan.network.input.extents();
  json["train"] = options.step.train;
  json["folded"] = plan.folded;
  json["passes"] = nlohmann::ordered_json::array();
  for (const PassReport& pass : plan.passes) {
    json["passes"].push_back({{"name", pass.name}, {"rewrites", pass.rewrites}, {"seconds", pass.seconds}});
  }
  json["nodes"] = nlohmann::ordered_json::array();
  for (const ProgramRuns& runs : plan.programs) {
    for_nodes(*runs.program, [&](const std::string& line, const Program::NodeReport* report) {
      if (report == nullptr) return;
      json["nodes"].push_back({{"node", line},
                               {"runs", runs.runs},
                               {"kernel", report->kernel},
                               {"widened", report->widened},
                               {"striped", report->striped},
                               {"refused", report->refused},
                               {"workspace_bytes", report->workspace}});
    });
  }
  json["planned_bytes"] = plan.arena_bytes;
  json["variable_bytes"] = plan.variable_bytes;
  json["repeated_nodes"] = plan.repeated.nodes;
  json["repeated_share"] = plan.repeated.share;
  json["saved_bytes"] = plan.repeated.saved_bytes;
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
  std::map<std::string_view, int> folded;
  std::vector<PassReport> passes;
  int64_t parameters = 0;
  const auto graph_of = [&](int64_t images) {
    Network of_images = network;
    of_images.input = {images, network.input[1], network.input[2], network.input[3]};
    Reparameterised ready = reparameterise(of_images.build());  // as eval and predict infer
    folded = ready.rewrites;
    passes = run_passes(ready.graph, forward_passes(), disabled);
    parameters = summarize(ready.graph).total.parameters;
    return std::move(ready.graph);
  };
  const BatchProgram program(graph_of, network.input[0], {.prepared = true, .maps = map_type(options.step.precision)});
  show(options, {network, as_written.to_string(), folded, passes, program.halves(), program.arena_bytes(),
                 4 * static_cast<size_t>(parameters)});
}

void show_training(const Options& options, const Network& network, const std::set<std::string>& disabled) {
  StepOptions step_options = cli::step_options(options.step, network);
  step_options.disabled_passes = disabled;
  const TrainingPlan plan = plan_training(step_options, options.step.memory);
  const TrainingStep& step = *plan.step;
  show(options, {network,
                 step.plain_text(),
                 {},
                 step.pass_reports(),
                 {{&step.program()}},
                 step.arena_bytes(),
                 plan.variables.bytes(),
                 step.repeated()});
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass& pass : forward_passes()) names.emplace_back(pass.name);
  for (const Pass& pass : step_passes()) names.emplace_back(pass.name);
  return names;
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  add_step_flags(app, options->step, "Plan a training step [inference]");
  app.add_option("--disable-pass", options->disabled_passes, "Leave out this pass; may be repeated")
      ->check(one_of("pass", pass_names()));
  app.add_flag("--json", options->json, "Print one JSON object");
  return [options] {
    check_step_flags(options->step);
    const std::set<std::string> disabled(options->disabled_passes.begin(), options->disabled_passes.end());
    (options->step.train ? show_training : show_inference)(*options, options->network.resolve(), disabled);
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
