// Taking the weights of model files to other libraries.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace convoy {

struct ExportOptions {
  // Whose names the tensors get: "torchvision", "timm", "hf" (transformers) or "paddle" (PaddleClas, with its {in, out}
  // matrices); empty: the network's own.
  std::string to = {};
  std::string dtype = "f32";  // or "f16", "bf16": the numbers are rounded to the nearest
};

struct ExportReport {
  std::string network;   // the name that the library has for it; empty: ours
  int64_t tensors = 0;   // of floats
  int64_t integers = 0;  // tensors of them that the library's network keeps beside its weights
  int64_t images = 0;    // compared, of random pixels
  double largest_logit = 0;
  double largest_difference = 0;  // of two logits
  double tolerance = 0;           // of largest_difference / largest_logit
  double relative_difference() const { return largest_difference / (largest_logit > 0 ? largest_logit : 1); }
};

// Writes the weights in `model_file` as the safetensors file `output`, which the library's network of report.network
// loads strictly. What was written is read back by the names and compared with the model on images: the logits of f32
// must be the same, those of f16 and bf16 within a tolerance of 64 and 32 units in the last place of 1.
// Throws UsageError for an unknown library or type and for a network that the library does not have, or has with
// another epsilon, padding or activation; Error when the file is no model file or is fused, when a number is too large
// for the type, and when the logits differ; `report`, when given, is filled also in the last case. No file is left
// then.
void export_model(const std::filesystem::path& model_file, const ExportOptions& options,
                  const std::filesystem::path& output, ExportReport* report = nullptr);

}  // namespace convoy
