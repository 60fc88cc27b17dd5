// Measuring how fast a network trains or infers here.
#pragma once

#include "inference/speed.h"
#include "train/step.h"

namespace convoy {

struct BenchmarkOptions {
  StepOptions step;    // network, batch and image size; SGD with momentum 0.9 and weight decay 1e-4 is usual
  bool train = false;  // a whole training step; else inference
  int steps = 10;      // as SpeedOptions
  bool layers = false;
};

// Random images and labels. Throws Error when the network does not fit the size or the memory.
BenchmarkResult run_benchmark(const BenchmarkOptions& options);

}  // namespace convoy
