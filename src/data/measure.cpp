// Mean, deviation and sizes of the images of a dataset.
#include <algorithm>
#include <cmath>
#include <exception>
#include <map>

#include "convoy/data.h"
#include "convoy/error.h"
#include "core/parallel.h"
#include "data/class_counts.h"
#include "data/dataset.h"

namespace convoy {
namespace {

struct Measured {
  int width = 0;
  int height = 0;
  std::array<double, 3> mean{};
  std::array<double, 3> mean_square{};
  std::exception_ptr error;
};

Measured measure(const Image& image) {
  Measured result{image.width(), image.height(), {}, {}, {}};
  std::array<uint64_t, 3> sum{}, squares{};
  const uint8_t* pixels = image.row(0);
  for (size_t i = 0; i < image.bytes(); i += 3) {
    for (size_t c = 0; c < 3; ++c) {
      const uint64_t value = pixels[i + c];
      sum[c] += value;
      squares[c] += value * value;
    }
  }
  const double count = static_cast<double>(image.width()) * image.height();
  for (size_t c = 0; c < 3; ++c) {
    result.mean[c] = static_cast<double>(sum[c]) / count / 255;
    result.mean_square[c] = static_cast<double>(squares[c]) / count / (255.0 * 255);
  }
  return result;
}

std::array<int, 5> quartiles(std::vector<int> values) {
  std::ranges::sort(values);
  std::array<int, 5> result;
  for (size_t i = 0; i < result.size(); ++i) result[i] = values[(values.size() - 1) * i / 4];
  return result;
}

}  // namespace

DataStats measure_images(const std::filesystem::path& data) {
  const TrainVal parts = open_train_val(data);
  const Dataset& images = *parts.train;
  std::vector<Measured> measured(static_cast<size_t>(images.size()));
  parallel_for(images.size(), [&](int64_t i, int /*worker*/) {
    Measured& result = measured[static_cast<size_t>(i)];
    try {
      result = measure(images.load(i));
    } catch (...) {
      result.error = std::current_exception();
    }
  });
  DataStats stats;
  stats.train_images = images.size();
  stats.val_images = parts.val == nullptr ? 0 : parts.val->size();
  stats.classes = count_classes(parts);
  stats.problems = parts.problems;
  std::array<double, 3> squares{};
  std::vector<int> widths, heights;
  std::map<std::array<int, 2>, int64_t> sizes;
  for (const Measured& image : measured) {
    if (image.error) std::rethrow_exception(image.error);
    for (size_t c = 0; c < 3; ++c) {
      stats.mean[c] += image.mean[c] / static_cast<double>(measured.size());
      squares[c] += image.mean_square[c] / static_cast<double>(measured.size());
    }
    widths.push_back(image.width);
    heights.push_back(image.height);
    ++sizes[{image.width, image.height}];
  }
  for (size_t c = 0; c < 3; ++c) stats.std[c] = std::sqrt(std::max(0.0, squares[c] - stats.mean[c] * stats.mean[c]));
  stats.widths = quartiles(widths);
  stats.heights = quartiles(heights);
  stats.sizes.assign(sizes.begin(), sizes.end());
  std::ranges::stable_sort(stats.sizes, std::ranges::greater{}, [](const auto& size) { return size.second; });
  constexpr size_t kListed = 10;
  if (stats.sizes.size() > kListed) stats.sizes.resize(kListed);
  return stats;
}

}  // namespace convoy
