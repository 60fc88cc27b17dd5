// Weights, images and labels that any program can repeat from a name and a seed, so that golden files need not hold
// them.
//
//   key(name)  = FNV-1a-64(name) XOR seed
//   z(i)       = splitmix64(key + i * 0x9E3779B97F4A7C15)   element i in row-major order of the file's layout
//   u(i)       = float(z(i) >> 40) * 2^-23 - 1              exact in fp32, in [-1, 1)
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace convoy {

// u(i) for i < elements.
std::vector<float> formula_uniform(std::string_view name, uint64_t seed, int64_t elements);

// The value of a parameter or buffer of this shape (OIHW; {out, in} for linear layers), by the kind that its name and
// rank tell: u * sqrt(6 / fan_in) for weights, fan_in = elements / shape[0]; 1 + 0.1 u for the weight of a norm;
// 0.8 + 0.2 |u| for running_var; 0.1 u for every other vector and bias.
std::vector<float> formula_value(std::string_view name, uint64_t seed, std::span<const int64_t> shape);

// {count, 3, size, size}: 1.7 u of the name "input".
std::vector<float> formula_images(uint64_t seed, int64_t count, int64_t size);

// Sample n has class (7 n + 3 + seed) mod classes.
std::vector<int64_t> formula_labels(uint64_t seed, int64_t count, int64_t classes);

// What a compact golden file keeps of a tensor.
struct Digest {
  static constexpr int kSamples = 8;

  double norm = 0;  // L2
  double sum = 0;
  std::array<double, kSamples> samples{};  // sample k is element k * elements / 8
};

// The digest of a tensor with at least one element.
Digest digest(std::span<const float> values);

}  // namespace convoy
