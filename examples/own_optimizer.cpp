// Trains by the sign of the gradient, at a rate that falls as a straight line: an optimizer and a schedule of its own.
#include <convoy/error.h>
#include <convoy/optimizer.h>
#include <convoy/own_op.h>
#include <convoy/schedule.h>
#include <convoy/train.h>

#include <cstdio>

using namespace convoy;

struct SignOp : OpOf<SignOp> {
  static constexpr std::string_view kName = "sign_update";
  static constexpr Slot kSlots[] = {{"weight"}, {"grad_weight"}, {"grad_scale", Slot::Kind::optional}};
  static void describe(auto& /*self*/, auto& /*visit*/) {}
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {}; }
  bool mutates(int input) const override { return input == 0; }
  void reference(std::span<ReferenceTensor> in, std::span<ReferenceTensor>, const StepScalars& step) const override {
    for (size_t i = 0; i < in[0].data.size(); ++i) {
      in[0].data[i] -= double{step.learning_rate} * ((in[1].data[i] > 0) - (in[1].data[i] < 0));
    }
  }
};

int main(int argc, char** argv) try {
  add_op(op_type<SignOp>());
  const auto update = [](const WeightUpdate&) { return UpdateRule{std::make_shared<SignOp>(), {}}; };
  add_optimizer({.name = "sign", .description = "an example", .weight_decay = 0, .update = update});
  add_schedule("line", [](double progress) { return 1 - progress; });
  Recipe recipe;
  recipe.data = argc == 2 ? argv[1] : throw UsageError("usage: own_optimizer DIR, with one sub-folder a class");
  recipe.model = "resnet9";
  recipe.opt = "sign";
  recipe.sched = "line";
  recipe.epochs = 3;
  std::printf("trained, model in %s\n", train(recipe).folder.c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "own_optimizer: %s\n", error.what());
  return 1;
}
