// Comparing the engine's training step with PyTorch's, tensor by tensor.
#pragma once

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "backends/backends.h"

namespace convoy {

// The worst tensor of a kind: logits, loss, grad, after/param, after/buffer, after/logits.
struct VerifyLine {
  std::string kind;
  std::string tensor;    // empty where the kind is a single tensor
  double error = 0;      // L2 distance relative to the expected tensor; in a compact file as its digest shows it
  double tolerance = 0;  // what float32 rounding explains, by the file's trials or, where they do not, the engine's
  // False where rounding alone moves the tensor by its own size: such a network is chaotic, and any error passes.
  bool judged() const { return tolerance < 1; }
  bool passed() const { return judged() ? error <= tolerance : std::isfinite(error); }
};

struct VerifyReport {
  std::string model;
  std::vector<VerifyLine> lines;
  bool passed() const;
};

// Runs the step of a golden file (formats/golden.h) on the engine, with exact kernels: what Winograd's rounding adds
// flips ReLUs, which would need tolerances that hide real errors; the tests of the ops hold it to its own. Throws Error
// when the file cannot be read, the model is unknown, or its parameters are not those of the file.
VerifyReport verify_golden(const std::filesystem::path& path, const Backend& backend = cpu_backend());

}  // namespace convoy
