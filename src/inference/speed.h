// Measuring how fast a step runs here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "convoy/model.h"
#include "core/buffer.h"
#include "plan/program.h"

namespace convoy {

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

struct SpeedOptions {
  int64_t batch_size = 1;
  int64_t image_size = 224;
  int steps = 10;  // timed, after the first and two more to warm up
  bool profile = false;
};

// A step with its memory, ready to run.
class TimedStep {
 public:
  virtual ~TimedStep() = default;
  virtual const Program& program() const = 0;
  virtual size_t planned_bytes() const = 0;
  // images: {batch_size, image_size, image_size, 3}.
  virtual void run(const std::vector<float>& images, bool profiled) = 0;
};

// Random images through the step that `plan` makes. Throws as `plan` does.
BenchmarkResult measure_speed(const std::function<std::unique_ptr<TimedStep>()>& plan, const SpeedOptions& options);

// The same for inference. Throws Error when the network does not fit the size or the memory.
BenchmarkResult measure_inference(const Model& model, const ModelOptions& model_options, const SpeedOptions& options);

}  // namespace convoy
