#include "cli/training_step.h"

#include "cli/commands.h"
#include "cli/output.h"
#include "convoy/error.h"
#include "core/byte_size.h"
#include "train/optimizer_options.h"

namespace convoy::cli {

void add_step_flags(CLI::App& app, StepFlags& flags, const std::string& train) {
  app.add_flag("--train", flags.train, train);
  app.add_option("--opt", flags.optimizer, "With --train: optimizer of the update, with its own settings [sgd]")
      ->type_name("NAME")
      ->check(one_of("opt", optimizers_where([](const Optimizer&) { return true; })));
  app.add_option_function<std::string>(
         "--memory", [&flags](const std::string& text) { flags.memory = parse_byte_size(text); },
         "With --train: most memory to plan, such as 1.5G; what does not fit is computed again [as much as it takes]")
      ->type_name("SIZE")
      ->check([](const std::string& text) {
        return parse_byte_size(text) ? ""
                                     : fmt::format("expected an amount of memory such as 1.5G or 800M, got '{}'", text);
      });
  add_precision(app, flags.precision);
}

void check_step_flags(const StepFlags& flags) {
  if (flags.memory && !flags.train) {
    throw UsageError("memory: expected --train, too: only training can compute anything again");
  }
  if (flags.optimizer && !flags.train) throw UsageError("opt: expected --train, too: only training updates weights");
}

StepOptions step_options(const StepFlags& flags, const Network& network) {
  StepOptions step;
  step.model = network.model;
  step.model_options = network.options;
  step.batch_size = network.input[0];
  step.image_size = network.input[1];
  step.precision = flags.precision;
  if (flags.optimizer) {
    Recipe recipe;
    recipe.opt = *flags.optimizer;
    step.optimizer = optimizer_options(recipe);
  } else {
    step.optimizer.weight_decay = 1e-4F;
  }
  return step;
}

void print_repeated(const RepeatedWork& repeated, size_t planned_bytes) {
  if (repeated.nodes == 0) return;
  constexpr double kMebi = 1 << 20;
  print("memory: {:.0f} MiB planned instead of {:.0f}; for it {} nodes are computed again, about {:.1f} % more work\n",
        static_cast<double>(planned_bytes) / kMebi, static_cast<double>(planned_bytes + repeated.saved_bytes) / kMebi,
        repeated.nodes, 100 * repeated.share);
}

}  // namespace convoy::cli
