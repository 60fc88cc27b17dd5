// What a linear branch of a graph computes, as one convolution.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "ops/conv2d/conv2d.h"
#include "plan/weight_source.h"

namespace convoy {

// A tree: leaves are convolutions and the identity, both of `source`.
struct LinearForm {
  enum class Kind : uint8_t { convolution, identity, norm, scale, parallel, pointwise };

  Kind kind = Kind::convolution;
  ValueId source = kNoValue;
  std::vector<std::shared_ptr<const LinearForm>> parts;  // one; of parallel any number

  // Of the convolution that it makes. An identity takes the groups of those that it is added to.
  ConvAttributes conv;
  int64_t group_channels = 0;  // of the input in a group
  int64_t out_channels = 0;
  FileLayout layout = FileLayout::conv;  // linear: a matrix

  // Names of the variables that it reads besides its parts'; empty: none.
  std::string weight = {}, bias = {}, mean = {}, variance = {};
  float eps = 0;

  // Whether it holds no convolution.
  bool is_identity() const;
  // Names of the weights of its convolutions.
  std::vector<std::string> weights() const;
};

// Where the kernel of `part` begins within that of `whole`, when the latter covers it; else below 0.
struct KernelPlace {
  int64_t h = -1, w = -1;
  bool fits() const { return h >= 0 && w >= 0; }
};
KernelPlace place_in(const ConvAttributes& whole, const ConvAttributes& part);

// The convolution that the form is, computed in double precision: its weight {h, w, channels of the input in a group,
// out} and its bias {out}.
void evaluate(const LinearForm& form, const WeightSource& source, std::span<float> weight, std::span<float> bias);

}  // namespace convoy
