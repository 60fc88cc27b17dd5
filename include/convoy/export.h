// Taking model files to other libraries and runtimes.
//
// Threads: these functions may be called from several at once, unless they write the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "convoy/export_macro.h"

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
  double largest_difference = 0;  // of two logits: what rounding the weights does, 0 for f32
  double relative_difference() const { return largest_difference / (largest_logit > 0 ? largest_logit : 1); }
};

// Writes the weights in `model_file` as the safetensors file `output`, which the library's network of report.network
// loads strictly. What was written is read back by the names, and must answer to the bit on images as the model does
// with its weights rounded to the type. Throws UsageError for an unknown library or type and for a network that the
// library does not have, or has with another epsilon, padding or activation; Error when the file is no model file or is
// fused, when a number is too large for the type, and when the answers differ. No file is left then.
CONVOY_API void export_model(const std::filesystem::path& model_file, const ExportOptions& options,
                             const std::filesystem::path& output, ExportReport* report = nullptr);

struct OnnxExportOptions {
  int64_t opset = 17;               // 17 to 22
  bool with_preprocessing = false;  // images of bytes are resized, cropped and normalised in the model
  bool softmax = false;             // probabilities rather than logits
};

// Writes the network in `model_file`, also a fused one, as the ONNX model `output`. Its input "images" is {batch, 3, S,
// S}, normalised floats of any number of images; with preprocessing {batch, height, width, 3} bytes of any size. Its
// output is "logits", or "probabilities", {batch, classes}. Preprocessing equals that of `convoy predict` pixel for
// pixel, but for what rounding a sum of floats decides. Weights have the names of the model file, whose description is
// in the model's metadata under "convoy", the class names also under "class_names". Throws UsageError for an opset that
// is not offered, Error when the file is no model file, an op has no form in ONNX, or the file cannot be written.
CONVOY_API void export_onnx(const std::filesystem::path& model_file, const OnnxExportOptions& options,
                            const std::filesystem::path& output);

}  // namespace convoy
