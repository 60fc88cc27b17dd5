// Quantisation of trained classifiers to int8, with a look at what it costs.
//
// Threads: this function may be called from several at once, unless they write the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/export_macro.h"

namespace convoy {

// How the range of a map's values is chosen that 256 levels cover; what lies beyond is clipped.
enum class RangeMethod : uint8_t {
  minmax,      // all that occur
  percentile,  // all but one in 10,000 of the least and one of the greatest
  kl           // the one whose levels have the most similar distribution, by Kullback-Leibler divergence
};

struct QuantizeOptions {
  // The images, as `convoy eval` takes them; empty: what the network was trained on. Ranges are found on the training
  // part, top-1 is measured on the validation part. Where one is missing the other is divided.
  std::filesystem::path data = {};
  int64_t calibration_images = 256;   // drawn by `seed`; at most
  std::optional<int64_t> limit = {};  // of images that top-1 is measured on, drawn by `seed`; nullopt: all
  RangeMethod ranges = RangeMethod::percentile;
  double max_drop = 0.5;     // of top-1, in points of 100
  bool equalize = true;      // cross-layer equalisation
  bool correct_bias = true;  // bias correction
  uint64_t seed = 42;
};

// Signal-to-noise ratios are 10 log10(sum of squares of the float32 values / sum of squares of the errors), in dB.
struct CONVOY_API QuantizeReport {
  struct Layer {
    std::string name;           // its weight's, without ".weight"
    std::string kind;           // conv2d, depthwise or linear
    int64_t multiply_adds = 0;  // of one image
    double low = 0, high = 0;   // range of its input that the levels cover
    double weight_sqnr = 0;
    double output_sqnr = 0;                  // of its output in the quantised network, on calibration images
    std::optional<double> logits_sqnr = {};  // of a network in which it alone is int8; known where layers were ranked
    bool int8 = true;
    std::string reason = {};  // why it is as it is
  };
  std::vector<Layer> layers;  // in the order they run
  int64_t equalized = 0;      // pairs of layers
  std::string calibrated_on, measured_on;
  int64_t calibration_images = 0, measured_images = 0;
  double top1_before = 0, top1_after = 0;       // shares of 1
  uintmax_t bytes_before = 0, bytes_after = 0;  // of the files; after: 0 where none is written
  std::vector<std::string> warnings;

  int64_t int8_layers() const;
  double drop() const { return 100 * (top1_before - top1_after); }  // in points
};

// Writes a model file `output` of the network in `model_file` whose convolutions and linear layers compute with 8-bit
// weights and maps. Layers stay float32, those first that alone change the logits most, where top-1 would drop by more
// than max_drop otherwise. `on_stage` hears what is done. Throws Error when the file is no model file or quantised
// already, no layer can be quantised, a part of the data has no images, or the drop is larger than allowed although
// half of the multiply-adds stay float32; `report`, when given, is filled also in the last case. No file is written
// then.
CONVOY_API void quantize_model(const std::filesystem::path& model_file, const QuantizeOptions& options,
                               const std::filesystem::path& output, QuantizeReport* report = nullptr,
                               const std::function<void(std::string_view)>& on_stage = {});

// Writes one row a layer. Throws Error when it cannot.
CONVOY_API void write_quantize_csv(const QuantizeReport& report, const std::filesystem::path& path);

}  // namespace convoy
