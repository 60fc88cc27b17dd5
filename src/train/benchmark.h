// Measuring how fast a network trains or infers here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "train/step.h"

namespace convoy {

struct BenchmarkOptions {
  StepOptions step;    // network, batch and image size; SGD with momentum 0.9 and weight decay 1e-4 is usual
  bool train = false;  // a whole training step; else inference
  int steps = 10;      // timed, after the first and two more to warm up
  bool profile = false;
};

struct BenchmarkResult {
  struct Part {
    std::string op, kernel, output;  // of one node
    double seconds = 0;              // a step
    int64_t multiply_adds = 0;
  };

  double median_img_per_s = 0, best_img_per_s = 0;
  double first_step_s = 0;   // from the start of planning to the end of the first step
  size_t planned_bytes = 0;  // arena and variables
  size_t peak_rss_bytes = 0;
  double peak_share = 0;    // floating-point operations of convolutions and products a second, of the measured peak
  std::vector<Part> parts;  // where profile: the nodes in the order they run
};

// Random images and labels. Throws Error when the network does not fit the size or the memory.
BenchmarkResult run_benchmark(const BenchmarkOptions& options);

}  // namespace convoy
