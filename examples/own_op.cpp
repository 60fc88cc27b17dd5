// Trains a network with an op of its own, the square, which has no kernel: it runs as its plain reference.
#include <convoy/error.h>
#include <convoy/model.h>
#include <convoy/own_op.h>
#include <convoy/train.h>

#include <cstdio>

using namespace convoy;
struct SquareOp : OpOf<SquareOp> {  // x^2; with the gradient of that, the gradient of x
  static constexpr std::string_view kName = "square";
  static constexpr Slot kSlots[] = {{"input"}, {"grad_output", Slot::Kind::optional}};
  static void describe(auto& /*self*/, auto& /*visit*/) {}
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override { return {{inputs[0].shape}}; }
  void gradient(GradientScope& scope) const override {
    scope.set_grad_input(0, scope.add(std::make_shared<SquareOp>(), {scope.input(0), scope.grad_output(0)})[0]);
  }
  void reference(std::span<ReferenceTensor> in, std::span<ReferenceTensor> out, const StepScalars&) const override {
    const std::vector<double>&x = in[0].data, &gradient = in[1].data;
    for (size_t i = 0; i < x.size(); ++i) out[0].data[i] = x[i] * (gradient.empty() ? x[i] : 2 * gradient[i]);
  }
};

static Value build(Builder b, Value x, const ModelOptions& options) {
  x = batch_norm(b / "bn", conv2d(b / "conv", x, {.out_channels = 16, .kernel = 3, .bias = false}));
  x = global_avg_pool(apply(std::make_shared<SquareOp>(), {x, {}}));
  return linear(b / "head", x, {.out_features = options.num_classes, .head = true});
}

int main(int argc, char** argv) try {
  add_op(op_type<SquareOp>());
  add_model({.name = "squares", .description = "an example", .image_size = 32, .build = build});
  Recipe recipe;
  recipe.data = argc == 2 ? argv[1] : throw UsageError("usage: own_op DIR, with one sub-folder of images a class");
  recipe.model = "squares";
  std::printf("trained, model in %s\n", train(recipe).folder.c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "own_op: %s\n", error.what());
  return 1;
}
