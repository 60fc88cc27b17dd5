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

#if defined(CONVOY_ISA_avx2) || defined(CONVOY_ISA_avx512)

// Two output pixels at once, one in each half of a register, of which every lane is the sum of a colour. Taps go by
// fours: a shuffle makes of their 12 bytes pairs of 16 bits, a colour's at two taps, and weights are cut into 11 low
// and 13 high bits, which are 16-bit factors of products that are added in pairs. Rows go by blocks, so that a pixel's
// weights are made once for all of them while their bytes stay in L1.
constexpr int kLowBits = 11;
constexpr int kTapsAtOnce = 4;
constexpr int kMostGroups = 32;  // of four taps: the sums of low products stay below 2^31 by far
constexpr int64_t kRowsAtOnce = 32;

struct WeightGroup {
  __m256i low[2], high[2];  // of taps 0 and 1, and 2 and 3
};

// Two taps' factors side by side, in every lane of a half: of output x in the lower, of x + 1 in the upper.
template <class Part>
inline __m256i weight_pairs(const ResampleTaps& taps, int64_t x, int64_t tap, const Part& part) {
  const auto pair = [&](int64_t output) {
    const int32_t* weights = taps.weights + output * taps.capacity;
    const int64_t count = taps.count[output];
    const uint32_t left = tap < count ? part(weights[tap]) : 0;
    const uint32_t right = tap + 1 < count ? part(weights[tap + 1]) : 0;
    return _mm_set1_epi32(static_cast<int32_t>((left & 0xFFFF) | (right << 16)));
  };
  return _mm256_inserti128_si256(_mm256_castsi128_si256(pair(x)), pair(x + 1), 1);
}

// The weights of the four taps from `tap` on, of the outputs x and x + 1.
inline WeightGroup weight_group(const ResampleTaps& taps, int64_t x, int64_t tap) {
  const auto low = [](int32_t weight) { return static_cast<uint32_t>(weight) & ((1U << kLowBits) - 1); };
  const auto high = [](int32_t weight) { return static_cast<uint32_t>(weight >> kLowBits); };
  return {{weight_pairs(taps, x, tap, low), weight_pairs(taps, x, tap + 2, low)},
          {weight_pairs(taps, x, tap, high), weight_pairs(taps, x, tap + 2, high)}};
}

inline void store_pixel(__m128i bytes, uint8_t* output) {
  const int32_t pixel = _mm_cvtsi128_si32(bytes);
  __builtin_memcpy(output, &pixel, sizeof pixel);
}

// Outputs x and x + 1 of `rows` rows; writes one byte beyond them, and reads 16 bytes from every fourth tap on.
// `groups` is a constant where the compiler is to keep the weights in registers.
[[gnu::always_inline]] inline void pixel_pairs(const uint8_t* first, const uint8_t* second, ptrdiff_t stride,
                                               int64_t rows, const WeightGroup* weights, int groups, uint8_t* output,
                                               int64_t output_stride) {
  const __m256i pairs01 =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const __m256i pairs23 =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
  for (int64_t y = 0; y < rows; ++y, first += stride, second += stride, output += output_stride) {
    __m256i low = _mm256_set1_epi32(kHalf), high = _mm256_setzero_si256();
    for (int group = 0; group < groups; ++group) {
      const __m256i bytes = _mm256_inserti128_si256(
          _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first + 12 * group))),
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(second + 12 * group)), 1);
      const __m256i taps01 = _mm256_shuffle_epi8(bytes, pairs01), taps23 = _mm256_shuffle_epi8(bytes, pairs23);
      const WeightGroup& weight = weights[group];
      low = _mm256_add_epi32(low, _mm256_madd_epi16(taps01, weight.low[0]));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(taps01, weight.high[0]));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(taps23, weight.low[1]));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(taps23, weight.high[1]));
    }
    __m256i sum = _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low), kResampleBits);
    sum = _mm256_packus_epi32(sum, sum);
    sum = _mm256_packus_epi16(sum, sum);
    store_pixel(_mm256_castsi256_si128(sum), output);
    store_pixel(_mm256_extracti128_si256(sum, 1), output + 3);
  }
}

// The outputs from 0 on that pixel_pairs can make without touching what lies beyond a row; returns how many.
inline int64_t rows_by_pairs(const uint8_t* input, ptrdiff_t stride, int64_t rows, int64_t input_width,
                             const ResampleTaps& taps, int64_t output_width, uint8_t* output) {
  WeightGroup weights[kMostGroups];
  int64_t x = 0;
  for (; x + 2 < output_width; x += 2) {
    const int32_t most = taps.count[x] > taps.count[x + 1] ? taps.count[x] : taps.count[x + 1];
    const int64_t groups = (most + kTapsAtOnce - 1) / kTapsAtOnce;
    const int32_t last = taps.first[x] > taps.first[x + 1] ? taps.first[x] : taps.first[x + 1];
    if (groups > kMostGroups || 3 * last + 12 * (groups - 1) + 16 > 3 * input_width) break;
    for (int group = 0; group < groups; ++group) weights[group] = weight_group(taps, x, kTapsAtOnce * group);
    const uint8_t* first = input + 3 * taps.first[x];
    const uint8_t* second = input + 3 * taps.first[x + 1];
    if (groups == 1) {
      pixel_pairs(first, second, stride, rows, weights, 1, output + 3 * x, 3 * output_width);
    } else {
      pixel_pairs(first, second, stride, rows, weights, static_cast<int>(groups), output + 3 * x, 3 * output_width);
    }
  }
  return x;
}

#else

constexpr int64_t kRowsAtOnce = 1;

inline int64_t rows_by_pairs(const uint8_t*, ptrdiff_t, int64_t, int64_t, const ResampleTaps&, int64_t, uint8_t*) {
  return 0;
}

#endif

void rows(const uint8_t* input, ptrdiff_t stride, int64_t rows, int64_t input_width, const ResampleTaps& taps,
          int64_t output_width, uint8_t* output) {
  for (int64_t y = 0; y < rows; y += kRowsAtOnce) {
    const int64_t block = rows - y < kRowsAtOnce ? rows - y : kRowsAtOnce;
    const uint8_t* in = input + y * stride;
    uint8_t* out = output + 3 * y * output_width;
    const int64_t done = rows_by_pairs(in, stride, block, input_width, taps, output_width, out);
    for (int64_t row = 0; row < block; ++row) {
      for (int64_t x = done; x < output_width; ++x) {
        pixel_sum(in + row * stride + 3 * taps.first[x], taps.weights + x * taps.capacity, taps.count[x],
                  out + 3 * (row * output_width + x));
      }
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
  static constexpr ResampleKernels kKernels{rows, column};
  return kKernels;
}

}  // namespace convoy::kernels::CONVOY_ISA
