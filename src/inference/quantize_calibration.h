// What a network's maps and layers are like on calibration images.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "data/loader.h"
#include "inference/graph_walk.h"
#include "inference/quantize_graph.h"
#include "inference/quantize_ranges.h"

namespace convoy {

// `count` samples of a dataset, or all where they are fewer, drawn by `seed`, in random order.
DatasetPtr draw_samples(const DatasetPtr& dataset, int64_t count, uint64_t seed);

// Full batches of images, to be passed any number of times.
class CalibrationImages {
 public:
  static constexpr int64_t kBatchSize = 32;  // or all images, where they are fewer

  CalibrationImages(const DatasetPtr& images, const Preprocessing& preprocessing);

  int64_t batch_size() const { return batch_size_; }
  int64_t size() const { return batch_size_ * loader_.steps_per_epoch(); }
  // Those of the first batch.
  std::span<const float> first() const { return first_; }
  void each_batch(const std::function<void(std::span<const float>)>& visit);

 private:
  int64_t batch_size_;
  Loader loader_;
  std::vector<float> first_;
};

// The greatest magnitude of each channel of these values of a graph of a batch.
std::map<ValueId, std::vector<float>> channel_ranges(const Graph& graph, const Variables& variables,
                                                     const std::set<ValueId>& values, CalibrationImages& images);
std::map<ValueId, ValueHistogram> histograms(const Graph& graph, const Variables& variables,
                                             const std::set<ValueId>& values, CalibrationImages& images);

// 10 log10(signal / noise); infinite where there is no noise.
double decibels(double signal, double noise);

// Runs the network and its int8 form layer by layer on a batch of images. Where `correct_bias`, the mean error of each
// channel of an int8 layer's output goes into its bias before later layers run (arXiv 1906.04721, section 4.2).
// Returns the signal-to-noise ratio of each layer's output.
std::vector<double> compare_layers(const Graph& graph, const Variables& variables, const QuantizedGraph& quantized,
                                   const Variables& quantized_variables, std::span<const QuantizableLayer> layers,
                                   std::span<const float> images, bool correct_bias);

}  // namespace convoy
