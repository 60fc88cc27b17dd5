// Golden files: one training step of a network, as PyTorch does it, to compare the engine with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "formats/formula.h"
#include "formats/safetensors.h"

namespace convoy {

// A file of either kind: a whole one holds every tensor of the step; of a compact one (tens of kilobytes) weights,
// images and labels come from the formula, and of gradients and updated tensors it holds digests. All tensors are in
// the file's layout (NCHW, OIHW, {out, in}). A compact file may lift the biases of batch norms (setting "norm_bias"),
// so that few activations lie where rounding can flip a ReLU.
class Golden {
 public:
  // SGD with this momentum and weight decay on cross entropy (mean over the batch), no dropout.
  struct Step {
    double learning_rate = 0;
    double momentum = 0;
    double weight_decay = 0;
    double label_smoothing = 0;
  };
  // Relative L2 distance of the same step in float32 from float64: no engine can be expected to come closer.
  struct Float32Error {
    double logits = 0;
    double grad = 0;  // of all gradients as one vector
  };

  // Throws Error when the file is damaged or no golden file.
  explicit Golden(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  bool compact() const { return compact_; }
  const std::string& model() const { return model_; }
  int64_t classes() const { return classes_; }
  int64_t batch() const { return batch_; }
  int64_t size() const { return size_; }  // height and width of the images
  const Step& step() const { return step_; }
  const Float32Error& float32_error() const { return float32_error_; }
  const std::vector<std::string>& parameters() const { return parameters_; }
  // Floating point buffers: running statistics.
  const std::vector<std::string>& buffers() const { return buffers_; }

  // The start of the step. `shape` is what the engine expects in the file's layout; Error when a whole file disagrees.
  std::vector<float> parameter(std::string_view name, std::span<const int64_t> shape) const;
  std::vector<float> buffer(std::string_view name, std::span<const int64_t> shape) const;
  std::vector<float> images() const;  // {batch, 3, size, size}
  std::vector<int64_t> labels() const;

  // What the step gives: {batch, classes} before it in training mode, behind it in inference mode.
  std::vector<double> logits() const { return file_.doubles("logits"); }
  double loss() const { return file_.doubles("loss").front(); }
  std::vector<double> after_logits() const { return file_.doubles("after/logits"); }

  // The expected digest of parameters()[i] or buffers()[i].
  enum class Kind : uint8_t { grad, after_parameter, after_buffer };
  Digest expected_digest(Kind kind, size_t i) const;
  // The whole expected tensor; only of a file that is not compact.
  std::vector<float> expected(Kind kind, size_t i) const;

 private:
  void read_settings(const std::string& text);
  void check_tensors();
  std::string tensor_name(Kind kind, size_t i) const;
  bool is_norm_bias(std::string_view name) const;
  void require_shape(std::string_view name, std::span<const int64_t> shape) const;
  std::vector<float> start_value(std::string_view prefix, std::string_view name, std::span<const int64_t> shape) const;

  SafetensorsReader file_;
  bool compact_ = false;
  std::string model_;
  int64_t classes_ = 0;
  int64_t batch_ = 0;
  int64_t size_ = 0;
  uint64_t seed_ = 0;
  Step step_;
  Float32Error float32_error_;
  float norm_bias_ = 0;  // added to the formula's biases of batch norms
  std::vector<std::string> parameters_;
  std::vector<std::string> buffers_;
  std::vector<double> digests_[3];  // of a compact file, by Kind: rows of norm, sum, samples
};

// Whether a safetensors file is one, by its metadata. Throws Error when it is no safetensors file.
bool is_golden(const std::filesystem::path& path);

}  // namespace convoy
