// Measuring how fast a network trains or infers here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "inference/speed.h"
#include "plan/variables.h"
#include "train/step.h"

namespace convoy {

struct BenchmarkOptions {
  StepOptions step;               // network, batch and image size; SGD with momentum 0.9 and weight decay 1e-4 is usual
  bool train = false;             // a whole training step; else inference
  std::optional<int64_t> memory;  // bytes of arena and variables at most, of a training step; unset: what it takes
  int steps = 10;                 // as SpeedOptions
  bool layers = false;
};

struct TrainingPlan {
  Variables variables;
  std::unique_ptr<TrainingStep> step;

  size_t bytes() const { return step->arena_bytes() + variables.bytes(); }
};

// A step, with values computed again where it would plan more than `memory` bytes. Throws MemoryError, which names the
// smallest amount that does, where it cannot be had.
TrainingPlan plan_training(const StepOptions& options, std::optional<int64_t> memory);

// Random images and labels. Throws Error when the network does not fit the size or the memory.
BenchmarkResult run_benchmark(const BenchmarkOptions& options);

}  // namespace convoy
