// How far inference is from double precision: accuracy_bench FILE BATCH. bench/against_float64 makes the files:
// weights by their names, "input" {N, 3, S, S} and "logits" {N, classes}, and the network's name as the metadata entry
// "model". The images are repeated to fill the batch. Prints, with the plan's kernels and with exact ones alone, the
// largest error of a logit as a share of the largest logit, and the L2 distance relative to the logits.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "convoy/error.h"
#include "convoy/model.h"
#include "formats/layout.h"
#include "formats/safetensors.h"
#include "inference/arena.h"
#include "inference/inference_step.h"

namespace convoy {
namespace {

std::vector<float> infer(const SafetensorsReader& file, int64_t batch, bool exact) {
  const std::vector<int64_t>& shape = file.tensor("input").shape;
  const int64_t size = shape[3], classes = file.tensor("logits").shape[1];
  Variables variables;
  InferenceStep step(find_model(file.metadata().at("model")), {.num_classes = classes}, batch, size, variables, 0,
                     {.exact = exact});
  Buffer arena = make_arena(step.arena_bytes(), "the network");
  step.bind(variables, arena);
  for (const auto& [name, variable] : variables.all()) {
    const std::vector<float> values = file.floats(name);
    from_file_layout(variable.shape, variable.layout, values, {variable.floats(), values.size()});
  }
  const std::vector<float> images = file.floats("input");
  std::vector<float> pixels(images.size());
  nchw_to_nhwc({shape[0], size, size, 3}, images, pixels);
  for (size_t i = 0; i < static_cast<size_t>(batch * size * size * 3); ++i) {
    step.images()[i] = pixels[i % pixels.size()];
  }
  step.run();
  return {step.logits(), step.logits() + std::min(batch, shape[0]) * classes};
}

void print_error(const char* kernels, const std::vector<float>& logits, const std::vector<double>& expected) {
  double largest = 0, worst = 0, squares = 0, all = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double error = std::abs(static_cast<double>(logits[i]) - expected[i]);
    largest = std::max(largest, std::abs(expected[i]));
    worst = std::max(worst, error);
    squares += error * error;
    all += expected[i] * expected[i];
  }
  fmt::print("{} {:.3e} {:.3e}\n", kernels, worst / largest, std::sqrt(squares / all));
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  using namespace convoy;
  if (argc != 3) {
    fmt::print(stderr, "usage: accuracy_bench FILE BATCH\n");
    return 2;
  }
  try {
    const SafetensorsReader file(argv[1]);
    const std::vector<double> expected = file.doubles("logits");
    for (const bool exact : {false, true}) {
      print_error(exact ? "exact" : "plan", infer(file, std::max(1, std::atoi(argv[2])), exact), expected);
    }
  } catch (const Error& error) {
    fmt::print(stderr, "accuracy_bench: {}\n", error.what());
    return 1;
  }
}
