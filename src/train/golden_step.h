// The training step of a golden file, run on the engine.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "formats/golden.h"
#include "inference/inference_step.h"
#include "plan/variables.h"
#include "train/step.h"

namespace convoy {

// Tensors are in the file's layout.
class GoldenStep {
 public:
  // Plans the step for the backend and sets its start; `golden` must outlive this. Throws Error when the model is
  // unknown, or its parameters or their shapes are not those of the file.
  explicit GoldenStep(const Golden& golden, const Backend& backend = cpu_backend(),
                      Precision precision = Precision::fp32);

  // Sets weights, statistics and images to the step's start. A disturbance above 0 changes each weight and pixel by up
  // to 2^-21 of it, about what float32's rounding adds up to in sums; each number changes them otherwise.
  void begin(uint64_t disturbance = 0);
  // Runs the step, once after begin(): forward, backward and update.
  void train();
  // Of the last train().
  std::span<const float> logits() const { return logits_; }
  float loss() const { return loss_; }
  std::vector<float> gradient(const std::string& parameter) const;
  // A parameter or running statistic as it is now.
  std::vector<float> variable(const std::string& name) const;

  // The logits of inference with the variables as they are now, on the images with that disturbance.
  std::vector<float> infer(uint64_t disturbance = 0);

 private:
  void check_names() const;
  std::vector<float> start_of(const std::string& name) const;
  std::vector<float> in_file_layout(const std::string& name, std::span<const float> values) const;
  void set_images(float* into, uint64_t disturbance) const;

  const Golden& golden_;
  Variables variables_;
  TrainingStep training_;
  InferenceStep inference_;
  Buffer arena_;
  uint64_t disturbance_ = 0;  // of the step
  std::vector<float> logits_;
  float loss_ = 0;
};

}  // namespace convoy
