// Measuring how fast a step runs here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "convoy/precision.h"
#include "core/buffer.h"
#include "plan/batch_program.h"

namespace convoy {

struct BenchmarkResult {
  // A node of what runs.
  struct Layer {
    std::string name;  // of its weight, without ".weight"; empty where it has none
    std::string op, kernel, output;
    std::vector<std::string> refused;  // "kernel: why" of those preferred to it
    double seconds = 0;                // a step
    double bound_seconds = 0;          // what arithmetic or memory would take at the least, both as measured here
    int64_t multiply_adds = 0;         // of a step
    int64_t bytes = 0;                 // of a step: maps read and written, weights read once
  };

  double median_img_per_s = 0, best_img_per_s = 0;
  double first_step_s = 0;   // from the start of planning to the end of the first step
  size_t planned_bytes = 0;  // arena and variables
  size_t peak_rss_bytes = 0;
  double peak = 0;            // operations a second of the kind that most are of, measured here
  double peak_share = 0;      // those of convolutions and products, of that
  double bandwidth = 0;       // where layers: bytes a second from and to memory, measured here
  std::vector<Layer> layers;  // where asked for: the nodes in the order they run
  // Of training on several ranks, whose images count together.
  int ranks = 1;
  double wait_share = 0;         // of the time of all, that they wait for each other
  double sent_bytes_a_step = 0;  // by each, on average
};

// Steps before those that are timed, the first one included.
inline constexpr int kWarmUpSteps = 3;

struct SpeedOptions {
  int64_t batch_size = 1;
  int64_t image_size = 224;
  int steps = 10;  // timed, after kWarmUpSteps
  bool layers = false;
  Precision precision = Precision::fp32;  // of an inference
};

// A step with its memory, ready to run.
class TimedStep {
 public:
  virtual ~TimedStep() = default;
  virtual std::vector<ProgramRuns> programs() const = 0;
  virtual size_t planned_bytes() const = 0;
  // images: {batch_size, image_size, image_size, 3}.
  virtual void run(const std::vector<float>& images, bool profiled) = 0;
};

// Random images through the step that `plan` makes. Throws as `plan` does.
BenchmarkResult measure_speed(const std::function<std::unique_ptr<TimedStep>()>& plan, const SpeedOptions& options);

// The same for inference. Throws Error when the network does not fit the size or the memory.
BenchmarkResult measure_inference(const Model& model, const ModelOptions& model_options, const SpeedOptions& options);

}  // namespace convoy
