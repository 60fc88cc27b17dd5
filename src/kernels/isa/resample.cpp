// Sums are 32-bit integers and exact, so every instruction set gives the same pixels.
#include "kernels/resample.h"

#include "kernels/isa/simd.h"

namespace convoy::kernels::CONVOY_ISA {
namespace {

constexpr int32_t kHalf = 1 << (kResampleBits - 1);

inline int32_t clamped(int32_t sum) {
  const int32_t value = sum >> kResampleBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

inline void pixel_sum(const uint8_t* pixel, const int32_t* weights, int64_t count, uint8_t* output) {
  int32_t red = kHalf, green = kHalf, blue = kHalf;
  for (int64_t tap = 0; tap < count; ++tap, pixel += 3) {
    red += pixel[0] * weights[tap];
    green += pixel[1] * weights[tap];
    blue += pixel[2] * weights[tap];
  }
  output[0] = static_cast<uint8_t>(clamped(red));
  output[1] = static_cast<uint8_t>(clamped(green));
  output[2] = static_cast<uint8_t>(clamped(blue));
}

// May read one byte beyond the last pixel.
inline void pixel_sum_with_margin(const uint8_t* pixel, const int32_t* weights, int64_t count, uint8_t* output) {
#if defined(CONVOY_ISA_avx2) || defined(CONVOY_ISA_avx512)
  __m128i sum = _mm_set1_epi32(kHalf);  // lanes: red, green, blue, and the next pixel's red
  for (int64_t tap = 0; tap < count; ++tap, pixel += 3) {
    int32_t bytes;
    __builtin_memcpy(&bytes, pixel, sizeof bytes);
    const __m128i channels = _mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes));
    sum = _mm_add_epi32(sum, _mm_mullo_epi32(channels, _mm_set1_epi32(weights[tap])));
  }
  sum = _mm_srai_epi32(sum, kResampleBits);
  sum = _mm_packus_epi16(_mm_packus_epi32(sum, sum), sum);
  const int32_t bytes = _mm_cvtsi128_si32(sum);
  __builtin_memcpy(output, &bytes, 3);
#else
  pixel_sum(pixel, weights, count, output);
#endif
}

void row(const uint8_t* input, int64_t input_width, const ResampleTaps& taps, int64_t output_width, uint8_t* output) {
  for (int64_t x = 0; x < output_width; ++x, output += 3) {
    const uint8_t* pixel = input + 3 * taps.first[x];
    const int32_t* weights = taps.weights + x * taps.capacity;
    const int64_t count = taps.count[x];
    if (taps.first[x] + count < input_width) {
      pixel_sum_with_margin(pixel, weights, count, output);
    } else {
      pixel_sum(pixel, weights, count, output);
    }
  }
}

void column(const uint8_t* input, ptrdiff_t stride, int64_t count, const int32_t* weights, int64_t bytes,
            uint8_t* output) {
  constexpr int kBlock = 4 * kLanes;
  int64_t i = 0;
  for (; i + kBlock <= bytes; i += kBlock) {
    int32_t sums[kBlock];
    for (int lane = 0; lane < kBlock; ++lane) sums[lane] = kHalf;
    const uint8_t* in = input + i;
    for (int64_t tap = 0; tap < count; ++tap, in += stride) {
      for (int lane = 0; lane < kBlock; ++lane) sums[lane] += in[lane] * weights[tap];
    }
    for (int lane = 0; lane < kBlock; ++lane) output[i + lane] = static_cast<uint8_t>(clamped(sums[lane]));
  }
  for (; i < bytes; ++i) {
    int32_t sum = kHalf;
    for (int64_t tap = 0; tap < count; ++tap) sum += input[i + tap * stride] * weights[tap];
    output[i] = static_cast<uint8_t>(clamped(sum));
  }
}

}  // namespace

const ResampleKernels& resample_kernels() {
  static constexpr ResampleKernels kKernels{row, column};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
