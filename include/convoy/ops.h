// The builder functions: each adds one op to the graph and returns its result. Parameters are named after the builder
// they are given ("conv1.weight" under b / "conv1"), as torch names them. All throw Error, naming the op, when shapes
// or attributes do not fit. Feature maps are {N, H, W, C}.
//
// Threads: a graph and what builds it belong to one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "convoy/activation.h"
#include "convoy/builder.h"
#include "convoy/export_macro.h"
#include "convoy/unary.h"

namespace convoy {

struct Conv2d {
  int64_t out_channels = 0;
  Size2 kernel = 1;
  Size2 stride = 1;
  Size2 padding = 0;        // zeros on either side
  Size2 extra_padding = 0;  // further zeros below and at the right
  Size2 dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  // Default as torch's: uniform in +-1/sqrt(fan in), weight and bias alike.
  Initializer weight_start = {};
  Initializer bias_start = {};
  bool weight_trained = true;  // false: the weight stays as it starts or is read
};

// {N, H, W, C} -> {N, (H + 2 padding + extra_padding - dilation (kernel - 1) - 1) / stride + 1, likewise,
// out_channels}, rounded down. Parameters weight, bias.
CONVOY_API Value conv2d(Builder b, Value x, const Conv2d& options);

struct Linear {
  int64_t out_features = 0;
  bool bias = true;
  Initializer weight_start = {};  // default as torch's: uniform in +-1/sqrt(in features)
  Initializer bias_start = {};
  bool head = false;  // whether it makes the network's logits (Role)
};

// {..., C} -> {..., out_features}, of two to four axes. Parameters weight, bias.
CONVOY_API Value linear(Builder b, Value x, const Linear& options);

struct BatchNorm {
  float eps = 1e-5F;
  float momentum = 0.1F;  // running = (1 - momentum) running + momentum batch, unbiased variance, as torch
  float weight_start = 1.0F;
  bool weight_trained = true;  // false: the weight stays as it starts or is read
};

// Ioffe and Szegedy, arXiv 1502.03167: per channel, over N, H and W. Parameters weight, bias; states running_mean,
// running_var, which inference uses.
CONVOY_API Value batch_norm(Builder b, Value x, const BatchNorm& options = {});

// Ba et al., arXiv 1607.06450: over the last axis. Parameters weight, bias.
CONVOY_API Value layer_norm(Builder b, Value x, float eps = 1e-5F);

// Wu and He, arXiv 1803.08494: per sample, over H, W and the channels of a group. Parameters weight, bias.
CONVOY_API Value group_norm(Builder b, Value x, int64_t groups, float eps = 1e-5F);

CONVOY_API Value activation(Value x, Activation function);
inline Value relu(Value x) { return activation(x, Activation::relu); }
CONVOY_API Value unary(Value x, UnaryFunction function);

// Elementwise on equal shapes.
CONVOY_API Value add(Value a, Value b);
CONVOY_API Value mul(Value a, Value b);
// Multiplies every pixel of {N, H, W, C} by a gate {N, C} (squeeze and excitation) or by a vector {C} (layer scale).
CONVOY_API Value channel_scale(Value x, Value scale);
// x repeated to the shape that x and `like` have in common: shapes are aligned at the last axis, and extents are equal
// or 1, as numpy broadcasts. The elements of `like` are not read, and it gets no gradient.
CONVOY_API Value expand(Value x, Value like);

// Every element times `factor`.
CONVOY_API Value scale(Value x, float factor);

// Along the channels; all other extents equal.
CONVOY_API Value concat(const std::vector<Value>& parts);
// Channels [begin, end).
CONVOY_API Value slice_channels(Value x, int64_t begin, int64_t end);
// The same elements, in the same order, under another shape.
CONVOY_API Value reshape(Value x, const Shape& shape);
// {N, H, W, C} -> {N, H W C} with the features in the order of torch's flatten of NCHW (channel, row, column).
CONVOY_API Value flatten(Value x);
// axes[i] is the axis of x that becomes axis i.
CONVOY_API Value transpose(Value x, const std::vector<int>& axes);

struct Pool2d {
  Size2 kernel = 2;
  Size2 stride = 2;
  Size2 padding = 0;          // on either side, at most half the kernel
  bool count_padding = true;  // average pooling: divide by the whole kernel also at the borders, as torch's default
};
// {N, H, W, C} -> {N, (H + 2 padding - kernel) / stride + 1, likewise, C}, rounded down: rows and columns that fill no
// window are left out. Maxima are those of elements inside the map, and a kernel may have 256 elements; to averages
// padding counts as 0, or not at all.
CONVOY_API Value max_pool(Value x, const Pool2d& options);
CONVOY_API Value avg_pool(Value x, const Pool2d& options);
// {N, H, W, C} -> {N, C}.
CONVOY_API Value global_avg_pool(Value x);
// {N, H, W, C} -> {N, size.h, size.w, C}, windows as torch's adaptive_avg_pool2d.
CONVOY_API Value adaptive_avg_pool(Value x, Size2 size);

// In training graphs: zeroes elements with this probability, in [0, 1), and scales the others to the same mean.
// Elsewhere: x. A builder has at most one, and one drop_path: what is dropped follows from its name.
CONVOY_API Value dropout(Builder b, Value x, float probability);
// Stochastic depth (Huang et al., arXiv 1603.09382), in training graphs: zeroes whole samples with this probability, in
// [0, 1), and scales the others. Elsewhere: x.
CONVOY_API Value drop_path(Builder b, Value x, float probability);

// Over the last axis.
CONVOY_API Value softmax(Value x);
// {..., M, K} x {..., K, N} -> {..., M, N}; the transposed forms read a as {..., K, M}, b as {..., N, K}.
CONVOY_API Value matmul(Value a, Value b, bool transpose_a = false, bool transpose_b = false);

// The mean over samples of -sum_c t'(c) log softmax(logits)(c), with t' = (1 - smoothing) targets + smoothing / C:
// a scalar. Logits and targets {N, C}; targets are probabilities.
CONVOY_API Value cross_entropy(Value logits, Value targets, float smoothing = 0);

}  // namespace convoy
