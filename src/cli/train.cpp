// `convoy train DIR`: trains a classifier on a folder of images.
#include "convoy/train.h"

#include <memory>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/ranks.h"
#include "cli/recipe_flags.h"
#include "cli/training_step.h"
#include "convoy/run_report.h"
#include "core/join_world.h"
#include "train/trainer.h"

namespace convoy::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : recipe(app) {}

  RecipeFlags recipe;
  std::string data;
  bool mpi = false;
};

void print_start(const TrainStart& start) {
  const Recipe& recipe = start.recipe;
  print("{}: {:.2f} M parameters, {} classes, {} training and {} validation images, {:.0f} MiB planned, {}\n",
        recipe.model, static_cast<double>(start.parameters) * 1e-6, start.class_names.size(), start.train_images,
        start.val_images, static_cast<double>(start.planned_bytes) / (1 << 20), to_string(recipe.precision));
  if (!start.batch_size_reason.empty()) print("batch size: {}, {}\n", start.batch_size, start.batch_size_reason);
  print_repeated(start.repeated, start.planned_bytes);
  print("training on {}, {}\n", start.train_source,
        start.val_images == 0 ? "validating on nothing" : fmt::format("validating on {}", start.val_source));
  if (start.frozen_parameters > 0) {
    print("frozen: {:.2f} M parameters ({}){}\n", static_cast<double>(start.frozen_parameters) * 1e-6, recipe.freeze,
          recipe.unfreeze_after > 0 ? fmt::format(" for {} epochs", recipe.unfreeze_after) : "");
  }
  if (!start.initial_weights.empty()) print("start: {}\n", start.initial_weights);
  if (start.first_epoch >= recipe.epochs) {
    print("{} has had all its {} epochs; --epochs N adds to them\n", start.folder.string(), recipe.epochs);
  } else if (start.first_epoch > 0 || start.first_step > 0) {
    print("resuming {} at epoch {}, step {}\n", start.folder.string(), start.first_epoch + 1, start.first_step);
  }
}

// What a run that has ended has reached.
void print_result(const TrainStart& start, const TrainResult& result) {
  const Recipe& recipe = start.recipe;
  if (result.ending == TrainEnding::no_progress) {
    print("ended: nothing better in the {} epochs since epoch {}\n", result.epochs - 1 - result.best_epoch,
          result.best_epoch + 1);
  }
  if (result.val) {
    print("last epoch: val loss {:.4f}, acc {:.4f}{}\n", result.val->loss, result.val->top1,
          start.class_names.size() > 5 ? fmt::format(", top-5 {:.4f}", result.val->top5) : std::string());
  }
  if (recipe.save_best_above && result.best && *result.best <= *recipe.save_best_above) {
    print("no accuracy was above {}, so there is no best.safetensors; the best was {:.4f} at epoch {}\n",
          *recipe.save_best_above, *result.best, result.best_epoch + 1);
  } else if (start.val_images > 0 && result.best) {
    print("best epoch: {}, val acc {:.4f}, kept as best.safetensors\n", result.best_epoch + 1, *result.best);
  }
  print("run folder: {}\n", result.folder.string());
}

// A rank that is not the first says nothing.
int run_quietly(const Recipe& recipe, World* world) {
  const Interrupt interrupt(true);
  const TrainResult result = train_in_world(recipe, {}, &interrupt.requested(), command_line(), world);
  return result.ending == TrainEnding::interrupted ? kInterrupted : 0;
}

int run_reporting(const Recipe& recipe, World* world) {
  RunReport report(stdout);
  TrainCallbacks callbacks = report.callbacks();
  TrainStart started;
  callbacks.on_train_begin = [&, next = callbacks.on_train_begin](const TrainStart& start) {
    started = start;
    print_start(start);
    next(start);
  };
  const Interrupt interrupt;
  const TrainResult result = train_in_world(recipe, callbacks, &interrupt.requested(), command_line(), world);
  if (result.ending == TrainEnding::interrupted) {
    print("stopped and saved in {}; the same command with --resume goes on\n", result.folder.string());
    return kInterrupted;
  }
  if (result.ending == TrainEnding::out_of_time) {
    print("stopped after {} min and saved in {}; the same command with --resume goes on\n", recipe.time,
          result.folder.string());
    return 0;
  }
  print_result(started, result);
  return 0;
}

int run(const Options& options) {
  Recipe recipe = options.recipe.resolve();
  if (!options.data.empty()) recipe.data = options.data;
  const std::unique_ptr<World> world = join_world(options.mpi);
  return run_on_rank(world.get(), "convoy train", [&] {
    return world == nullptr || world->is_first() ? run_reporting(recipe, world.get())
                                                 : run_quietly(recipe, world.get());
  });
}

std::function<int()> declare(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  app.add_option("DIR", options->data,
                 "Images: one sub-folder a class, or train/ beside val/ of such, or CIFAR's files, or WebDataset's; or "
                 "a .tar or .zip of these, or shards, 'photos-{000..127}.tar'")
      ->type_name("DIR");
  app.add_flag("--mpi", options->mpi, "Join the other processes by MPI, whether or not mpirun or srun can be noticed");
  return [options] { return run(*options); };
}

}  // namespace

const Command kTrain = {
    "train",
    "Train a classifier on a folder of images",
    "  convoy train photos --val-split 0.2 --model resnet18 --img-size 128 --epochs 20 --experiment birds\n"
    "  convoy train photos --recipe runs/birds/recipe.toml --lr 0.02 --experiment birds2\n"
    "  convoy train photos --recipe runs/birds/recipe.toml --resume\n"
    "  mpirun -np 4 convoy train photos --model resnet50\n"
    "  srun convoy train 'train-{0000..0127}.tar' --val 'val-{00..07}.tar' --model resnet50\n"
    "A flag overrules the variable CONVOY_<FLAG>, that the recipe file, that the default. Ctrl-C finishes the step "
    "and\n"
    "saves; --resume goes on from there, or starts afresh where there is nothing yet.",
    declare,
};

}  // namespace convoy::cli
