// Whether two networks are the same: how far apart they compute, layer by layer.
//
// Threads: measure_agreement() may be called from several at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "convoy/export_macro.h"
#include "convoy/precision.h"

namespace convoy {

struct AgreementOptions {
  // Labelled images as `convoy eval` takes them, of which the part that it evaluates is used; empty: random pixels.
  std::filesystem::path data = {};
  int64_t most_images = 64;               // from all over the data; at least 1
  Precision precision = Precision::fp32;  // of the second network's maps
};

// What a layer makes in one network, before any activation, beside what it makes in the other.
struct LayerAgreement {
  std::string a, b;  // the layer's names
  // Largest difference of two values, as a share of the largest magnitude in the first network, over all images;
  // infinite where a value of either is not a finite number.
  double error = 0;
  double tolerance = 0;
  bool agrees() const { return error <= tolerance; }
};

struct CONVOY_API AgreementReport {
  std::vector<LayerAgreement> layers;             // that correspond, each behind those that it depends on
  int64_t by_order = 0;                           // of these, matched by order and shape, since their names differ
  std::vector<std::string> only_in_a, only_in_b;  // without a counterpart, which are not compared
  LayerAgreement logits;
  int64_t images = 0;                    // compared
  std::string evaluated;                 // "the 10 images of photos that training held back"; empty: random pixels
  int64_t same_class = 0;                // images whose most probable class is the same
  std::optional<double> top1_a, top1_b;  // shares of right answers in [0, 1], where the classes of the data are known
  std::vector<std::string> warnings;     // what was left out of the data, or differs besides the numbers

  // The first layer, or else the logits, that departs by more than its tolerance; null: none does.
  const LayerAgreement* first_departure() const;
};

// Runs two trained networks as their files have them, nothing folded, by exact kernels on the same images. A file is a
// model file, fused or not, or an ONNX model (.onnx), which is read as import_model() does, its images of the other's
// size where it leaves that open. A layer is a convolution or linear layer with the norms and parallel branches that
// fuse_model() would make one convolution of. Layers correspond that have one name and shape, or else the same place in
// the sequences of equal shapes that remain. Images are prepared as the first network that says so does it.
//
// Tolerances follow from the precision of both networks. float32 1e-4: a rounding is 2^-24, 6e-8, of a number; sums of
// some thousand products in another order, in a hundred layers behind each other, make of that up to 4e-6 of the
// largest magnitude (measured up to ResNet-152), while norms of MobileNetV2 with an epsilon of 1e-3 for 1e-5 show as
// 1e-3. bf16 0.1: a rounding is 2^-9, 2e-3, of a number; through 171 layers that became 2 to 3 % of the largest
// magnitude.
//
// Throws Error where a file cannot be read or the networks take images of different sizes or have different numbers of
// classes; MemoryError where what all layers make of a few images does not fit into memory.
CONVOY_API AgreementReport measure_agreement(const std::filesystem::path& a, const std::filesystem::path& b,
                                             const AgreementOptions& options = {});

}  // namespace convoy
