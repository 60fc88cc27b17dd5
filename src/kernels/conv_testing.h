// What the tests of convolutions share: geometries, and every product of a convolution in double precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/conv_args.h"
#include "kernels/testing.h"

namespace convoy::kernels::testing {

inline ConvGeometry conv(int64_t batch, int64_t height, int64_t width, int64_t in_c, int64_t out_c, int64_t kernel_h,
                         int64_t kernel_w, int64_t stride, int64_t pad, int64_t dilation = 1, int64_t groups = 1) {
  const auto out = [&](int64_t in, int64_t kernel) {
    return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  };
  return {batch,
          height,
          width,
          in_c,
          out(height, kernel_h),
          out(width, kernel_w),
          out_c,
          kernel_h,
          kernel_w,
          stride,
          stride,
          pad,
          pad,
          dilation,
          dilation,
          groups};
}

inline const ConvGeometry kGeometries[] = {
    conv(2, 5, 7, 16, 32, 1, 1, 1, 0),      conv(3, 7, 7, 64, 64, 3, 3, 1, 1),
    conv(1, 9, 8, 20, 10, 3, 3, 2, 1),      conv(2, 11, 13, 3, 33, 7, 7, 2, 3),
    conv(2, 15, 9, 3, 24, 3, 3, 2, 1),      conv(1, 10, 10, 7, 5, 3, 2, 3, 2),
    conv(2, 9, 9, 17, 96, 1, 1, 2, 0),      conv(1, 8, 9, 80, 48, 1, 1, 3, 0),
    conv(1, 12, 11, 18, 35, 3, 3, 1, 2, 2), conv(1, 13, 12, 8, 70, 3, 3, 2, 2, 2),
    conv(1, 13, 12, 4, 4, 5, 3, 3, 4, 2),   conv(2, 6, 6, 24, 48, 3, 3, 1, 1, 1, 4),
    conv(1, 7, 6, 6, 9, 3, 3, 2, 1, 1, 3),  conv(16, 1, 1, 37, 10, 1, 1, 1, 0),
    conv(3, 1, 1, 600, 1000, 1, 1, 1, 0),   conv(4, 2, 2, 130, 144, 3, 3, 1, 1),
    conv(1, 1, 1, 1, 1, 1, 1, 1, 0),        conv(2, 3, 3, 2, 3, 5, 5, 1, 2),
    conv(1, 40, 41, 48, 112, 3, 3, 1, 1),   conv(1, 48, 50, 12, 20, 1, 1, 1, 0),
    conv(1, 4, 4, 5, 6, 2, 2, 4, 0),        conv(1, 3, 40, 8, 8, 3, 33, 1, 1),
};

inline ConvGeometry depthwise(int64_t batch, int64_t height, int64_t width, int64_t channels, int64_t kernel,
                              int64_t stride, int64_t pad, int64_t dilation = 1) {
  return conv(batch, height, width, channels, channels, kernel, kernel, stride, pad, dilation, channels);
}

inline const ConvGeometry kDepthwiseGeometries[] = {
    depthwise(2, 5, 7, 1, 3, 1, 1),
    depthwise(1, 14, 14, 3, 3, 1, 1),
    depthwise(3, 9, 33, 16, 3, 1, 1),
    depthwise(2, 12, 13, 24, 3, 2, 1),
    depthwise(1, 7, 7, 129, 3, 2, 1),
    depthwise(16, 12, 12, 18, 3, 1, 1),
    depthwise(1, 56, 30, 100, 3, 1, 0),
    depthwise(2, 14, 15, 100, 5, 1, 2),
    depthwise(2, 15, 14, 33, 5, 2, 2),
    depthwise(1, 11, 17, 24, 7, 1, 3),
    depthwise(3, 4, 4, 129, 11, 1, 5),
    depthwise(2, 8, 8, 100, 11, 1, 5),
    depthwise(1, 20, 19, 16, 11, 1, 5),
    depthwise(2, 2, 2, 24, 11, 1, 5),
    depthwise(1, 1, 1, 3, 7, 1, 3),
    depthwise(1, 16, 13, 24, 3, 3, 1),
    depthwise(1, 13, 12, 129, 5, 3, 2),
    depthwise(2, 10, 11, 16, 3, 1, 2, 2),
    depthwise(1, 12, 15, 24, 3, 2, 2, 2),
    depthwise(1, 17, 16, 24, 4, 2, 3, 3),
    depthwise(1, 9, 8, 40, 9, 1, 4),
    depthwise(1, 9, 10, 16, 2, 3, 0),
    depthwise(1, 6, 6, 40, 1, 1, 1),
    depthwise(2, 7, 5, 24, 1, 2, 0),
    depthwise(1, 5, 5, 16, 3, 1, 6),
    depthwise(1, 128, 128, 256, 3, 1, 1),  // large enough to be written around the caches
    conv(1, 9, 14, 24, 24, 1, 3, 1, 1, 1, 24),
    conv(2, 9, 12, 20, 20, 5, 3, 2, 2, 1, 20),
};

inline std::string to_string(const ConvGeometry& g) {
  return ::testing::PrintToString(std::vector<int64_t>{g.batch, g.in_h, g.in_w, g.in_c, g.out_h, g.out_w, g.out_c,
                                                       g.kernel_h, g.kernel_w, g.stride_h, g.pad_h, g.dilation_h,
                                                       g.groups});
}

inline size_t input_size(const ConvGeometry& g) { return static_cast<size_t>(g.batch * g.in_h * g.in_w * g.in_c); }
inline size_t output_size(const ConvGeometry& g) { return static_cast<size_t>(g.batch * g.out_h * g.out_w * g.out_c); }
inline size_t weight_size(const ConvGeometry& g) {
  return static_cast<size_t>(g.kernel_h * g.kernel_w * g.in_c / g.groups * g.out_c);
}

// Aligned as tensors are.
template <class T = float>
struct Tensor : Guarded<T> {
  explicit Tensor(size_t size) : Guarded<T>(size, Placement::aligned) {}
  explicit Tensor(const std::vector<T>& values) : Guarded<T>(values, Placement::aligned) {}
};

inline std::vector<float> random_weights(size_t size, uint64_t stream) {
  return random_floats(static_cast<int64_t>(size), stream, -1, 1);
}

// A double-precision result and, element by element, the sum of the magnitudes that it is made of.
struct Reference {
  std::vector<double> value, magnitude;
  explicit Reference(size_t size) : value(size), magnitude(size) {}
  void add(size_t at, double x) {
    value[at] += x;
    magnitude[at] += std::abs(x);
  }
  void expect_near(Tensor<>& result, const char* what, double error_of_largest = 0) const {
    ASSERT_EQ(result.size(), value.size());
    const double error = error_of_largest * *std::max_element(magnitude.begin(), magnitude.end()) + 1e-12;
    for (size_t i = 0; i < value.size(); ++i) {
      ASSERT_NEAR(result[i], value[i], 1e-6 * magnitude[i] + error) << what << " at " << i;
    }
  }
};

// Calls body(input index, weight index, output index) for every product of the convolution.
template <class Body>
void for_every_product(const ConvGeometry& g, const Body& body) {
  const int64_t ic = g.in_c / g.groups, oc = g.out_c / g.groups;
  for (int64_t pixel = 0; pixel < g.batch * g.out_h * g.out_w; ++pixel) {
    const int64_t image = pixel / (g.out_h * g.out_w), oy = pixel / g.out_w % g.out_h, ox = pixel % g.out_w;
    for (int64_t tap = 0; tap < g.kernel_h * g.kernel_w; ++tap) {
      const int64_t iy = oy * g.stride_h - g.pad_h + tap / g.kernel_w * g.dilation_h;
      const int64_t ix = ox * g.stride_w - g.pad_w + tap % g.kernel_w * g.dilation_w;
      if (iy < 0 || iy >= g.in_h || ix < 0 || ix >= g.in_w) continue;
      for (int64_t o = 0; o < g.out_c; ++o) {
        for (int64_t c = 0; c < ic; ++c) {
          body(static_cast<size_t>(((image * g.in_h + iy) * g.in_w + ix) * g.in_c + o / oc * ic + c),
               static_cast<size_t>((tap * ic + c) * g.out_c + o), static_cast<size_t>(pixel * g.out_c + o));
        }
      }
    }
  }
}

}  // namespace convoy::kernels::testing
