#include "formats/formula.h"

#include <cmath>

#include "core/random.h"

namespace convoy {
namespace {

constexpr uint64_t splitmix64(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

template <class Map>
std::vector<float> mapped(std::vector<float> values, const Map& map) {
  for (float& value : values) value = map(value);
  return values;
}

}  // namespace

std::vector<float> formula_uniform(std::string_view name, uint64_t seed, int64_t elements) {
  std::vector<float> values(static_cast<size_t>(elements));
  uint64_t x = hash_name(name) ^ seed;
  for (float& value : values) {
    value = static_cast<float>(splitmix64(x) >> 40) * 0x1p-23F - 1.0F;
    x += 0x9E3779B97F4A7C15;
  }
  return values;
}

std::vector<float> formula_value(std::string_view name, uint64_t seed, std::span<const int64_t> shape) {
  int64_t elements = 1;
  for (const int64_t extent : shape) elements *= extent;
  std::vector<float> u = formula_uniform(name, seed, elements);
  const auto small = [](float x) { return 0.1F * x; };
  if (name.ends_with("running_mean")) return mapped(std::move(u), small);
  if (name.ends_with("running_var")) return mapped(std::move(u), [](float x) { return 0.8F + 0.2F * std::abs(x); });
  if (shape.size() == 1 && name.ends_with("weight")) return mapped(std::move(u), [](float x) { return 1 + 0.1F * x; });
  if (shape.size() <= 1 || name.ends_with("bias")) return mapped(std::move(u), small);
  const auto bound = static_cast<float>(std::sqrt(static_cast<double>(6 * shape[0]) / static_cast<double>(elements)));
  return mapped(std::move(u), [bound](float x) { return x * bound; });
}

std::vector<float> formula_images(uint64_t seed, int64_t count, int64_t size) {
  return mapped(formula_uniform("input", seed, count * 3 * size * size), [](float x) { return 1.7F * x; });
}

std::vector<int64_t> formula_labels(uint64_t seed, int64_t count, int64_t classes) {
  std::vector<int64_t> labels;
  for (int64_t n = 0; n < count; ++n) {
    labels.push_back(static_cast<int64_t>((static_cast<uint64_t>(7 * n + 3) + seed) % static_cast<uint64_t>(classes)));
  }
  return labels;
}

Digest digest(std::span<const float> values) {
  Digest result;
  double squares = 0;
  for (const float value : values) {
    result.sum += value;
    squares += static_cast<double>(value) * value;
  }
  result.norm = std::sqrt(squares);
  for (size_t k = 0; k < Digest::kSamples; ++k) result.samples[k] = values[k * values.size() / Digest::kSamples];
  return result;
}

}  // namespace convoy
