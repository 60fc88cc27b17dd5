// Re-parameterisation of trained classifiers: the network that runs in place of the one that was trained.
//
// Threads: these functions may be called from several at once, unless they write the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "convoy/export_macro.h"

namespace convoy {

struct FuseOptions {
  // Images to compare the two networks on: `data` as `convoy eval` takes it, or images and folders of them. Neither:
  // random pixels.
  std::filesystem::path data = {};
  std::vector<std::filesystem::path> images = {};
  int64_t most_images = 64;
  int64_t batch_size = 16;
  // Largest difference of two logits, as a share of the largest logit. By default what rounding explains: four times
  // FuseReport::rounding, and at least 1e-5.
  std::optional<double> tolerance = {};
  bool measure = true;  // also img/s, which takes some seconds
};

struct FuseReport {
  struct Form {
    int64_t parameters = 0;     // trained
    int64_t statistics = 0;     // running means and variances
    int64_t multiply_adds = 0;  // of one image
    int64_t layers = 0;         // nodes of the graph as the network is written
    double img_per_s = 0;       // of batches of batch_size; 0: not measured
  };
  Form before, after;
  int64_t convolutions = 0;                 // that take in others, norms or scales
  std::map<std::string, int64_t> rewrites;  // by rule: norm, scale, parallel, pointwise
  int64_t images = 0;                       // compared
  bool real_images = false;
  double largest_logit = 0;
  double largest_difference = 0;  // of two logits
  // Largest difference of two logits of the original network and of itself with every weight off by up to four units in
  // its last place: about what float32's sums round off in each layer.
  double rounding = 0;
  double tolerance = 0;       // that was applied
  int64_t other_classes = 0;  // images whose most probable class is another one
  double relative_difference() const { return largest_difference / (largest_logit > 0 ? largest_logit : 1); }
};

// Turns every linear branch of the network in `model_file`, such as a convolution and its norm or the sum of parallel
// convolutions, into a single convolution and writes the model file `output`, which is used like any other, but for
// training. Throws Error when the file is no model file or fused already, has nothing to fuse, the outputs differ by
// more than the tolerance, or rounding alone moves them so far that nothing can be told; `report`, when given, is
// filled also in the last two cases. No file is written then.
CONVOY_API void fuse_model(const std::filesystem::path& model_file, const FuseOptions& options,
                           const std::filesystem::path& output, FuseReport* report = nullptr);

}  // namespace convoy
