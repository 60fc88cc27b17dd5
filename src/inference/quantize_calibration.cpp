#include "inference/quantize_calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "core/parallel.h"
#include "core/random.h"

namespace convoy {
namespace {

LoaderOptions loader_options(const Preprocessing& preprocessing, int64_t batch_size) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.drop_last = true;
  options.preprocessing = preprocessing;
  return options;
}

std::vector<int64_t> numbers_below(int64_t end) {
  std::vector<int64_t> numbers(static_cast<size_t>(end));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// Calls body(begin, end) for runs of channels, from all threads.
void each_channel_run(int64_t channels, const std::function<void(int64_t begin, int64_t end)>& body) {
  constexpr int64_t kRun = 16;
  parallel_for((channels + kRun - 1) / kRun,
               [&](int64_t run, int) { body(run * kRun, std::min(channels, (run + 1) * kRun)); });
}

// Calls visit(id, value) for each of the values on each batch.
void each_value(const Graph& graph, const Variables& variables, const std::set<ValueId>& values,
                CalibrationImages& images, const std::function<void(ValueId, std::span<const float>)>& visit) {
  GraphWalk walk(graph, variables);
  images.each_batch([&](std::span<const float> batch) {
    walk.start(batch);
    if (const ValueId input = graph.named("images"); values.contains(input)) visit(input, batch);
    while (!walk.done()) {
      for (const ValueId id : walk.step().outputs) {
        if (values.contains(id)) visit(id, walk.value(id));
      }
    }
  });
}

// The difference of two maps {..., channels}.
struct MapError {
  std::vector<double> mean;  // of each channel
  double signal = 0, noise = 0;
};

// Takes the mean error of each channel from `map` where `correct`.
MapError compare_maps(std::span<const float> exact, std::span<float> map, int64_t channels, bool correct) {
  const auto width = static_cast<size_t>(channels);
  const auto rows = static_cast<double>(map.size() / width);
  MapError error{.mean = std::vector<double>(width, 0)};
  std::vector<double> signal(width, 0), noise(width, 0);
  each_channel_run(channels, [&](int64_t begin, int64_t end) {
    const auto first = static_cast<size_t>(begin), last = static_cast<size_t>(end);
    const auto difference = [&](size_t row, size_t c) {
      return static_cast<double>(map[row + c]) - static_cast<double>(exact[row + c]);
    };
    for (size_t row = 0; row < map.size() && correct; row += width) {
      for (size_t c = first; c < last; ++c) error.mean[c] += difference(row, c);
    }
    for (size_t c = first; c < last; ++c) error.mean[c] /= rows;
    for (size_t row = 0; row < map.size(); row += width) {
      for (size_t c = first; c < last; ++c) {
        map[row + c] = static_cast<float>(static_cast<double>(map[row + c]) - error.mean[c]);
        const double off = difference(row, c), x = static_cast<double>(exact[row + c]);
        signal[c] += x * x;
        noise[c] += off * off;
      }
    }
  });
  error.signal = std::accumulate(signal.begin(), signal.end(), 0.0);
  error.noise = std::accumulate(noise.begin(), noise.end(), 0.0);
  return error;
}

}  // namespace

DatasetPtr draw_samples(const DatasetPtr& dataset, int64_t count, uint64_t seed) {
  std::vector<int64_t> indices = numbers_below(dataset->size());
  const size_t wanted = std::min(static_cast<size_t>(count), indices.size());
  RandomStream random(seed, "draw_samples");
  for (size_t i = 0; i < wanted; ++i) {
    std::swap(indices[i], indices[i + random.below(static_cast<uint32_t>(indices.size() - i))]);
  }
  indices.resize(wanted);
  return make_subset(dataset, std::move(indices));
}

CalibrationImages::CalibrationImages(const DatasetPtr& images, const Preprocessing& preprocessing)
    : batch_size_(std::min(kBatchSize, images->size())), loader_(images, loader_options(preprocessing, batch_size_)) {
  Loader loader(make_subset(images, numbers_below(batch_size_)), loader_options(preprocessing, batch_size_));
  const Buffer& batch = loader.next().images;
  const int64_t side = preprocessing.image_size;
  first_.assign(batch.floats(), batch.floats() + batch_size_ * side * side * Image::kChannels);
}

void CalibrationImages::each_batch(const std::function<void(std::span<const float>)>& visit) {
  for (int64_t i = 0; i < loader_.steps_per_epoch(); ++i) visit({loader_.next().images.floats(), first_.size()});
}

std::map<ValueId, std::vector<float>> channel_ranges(const Graph& graph, const Variables& variables,
                                                     const std::set<ValueId>& values, CalibrationImages& images) {
  std::map<ValueId, std::vector<float>> ranges;
  each_value(graph, variables, values, images, [&](ValueId id, std::span<const float> map) {
    const int64_t channels = graph.value(id).type.shape[-1];
    std::vector<float>& range = ranges[id];
    range.resize(static_cast<size_t>(channels), 0);
    each_channel_run(channels, [&](int64_t begin, int64_t end) {
      for (size_t row = 0; row < map.size(); row += range.size()) {
        for (auto c = static_cast<size_t>(begin); c < static_cast<size_t>(end); ++c) {
          range[c] = std::max(range[c], std::abs(map[row + c]));
        }
      }
    });
  });
  return ranges;
}

std::map<ValueId, ValueHistogram> histograms(const Graph& graph, const Variables& variables,
                                             const std::set<ValueId>& values, CalibrationImages& images) {
  std::map<ValueId, ValueHistogram> found;
  each_value(graph, variables, values, images, [&](ValueId id, std::span<const float> map) { found[id].add(map); });
  return found;
}

double decibels(double signal, double noise) {
  return noise > 0 ? 10 * std::log10(signal / noise) : std::numeric_limits<double>::infinity();
}

std::vector<double> compare_layers(const Graph& graph, const Variables& variables, const QuantizedGraph& quantized,
                                   const Variables& quantized_variables, std::span<const QuantizableLayer> layers,
                                   std::span<const float> images, bool correct_bias) {
  GraphWalk exact(graph, variables), int8(quantized.graph, quantized_variables);
  exact.start(images);
  int8.start(images);
  std::vector<double> ratios;
  for (size_t i = 0; i < layers.size(); ++i) {
    while (!exact.has(layers[i].output)) exact.step();
    while (!int8.has(quantized.outputs[i])) int8.step();
    const bool corrects = correct_bias && !quantized.biases[i].empty();
    const MapError error = compare_maps(exact.value(layers[i].output), int8.value(quantized.outputs[i]),
                                        layers[i].out_channels(), corrects);
    ratios.push_back(decibels(error.signal, error.noise));
    if (!corrects) continue;
    std::vector<float> bias = quantized_variables.read(quantized.biases[i]);
    for (size_t c = 0; c < bias.size(); ++c) {
      bias[c] = static_cast<float>(static_cast<double>(bias[c]) - error.mean[c]);
    }
    quantized_variables.write(quantized.biases[i], bias);
  }
  return ratios;
}

}  // namespace convoy
