// What the tests of the normalisation kernels share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "convoy/activation.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "core/random.h"

namespace convoy::kernels {

// Floats with guards on both sides, whose destruction fails the test when a guard was written to.
class Guarded {
 public:
  explicit Guarded(size_t size, float value = 0.0F) : floats_(kGuard, kSentinel) {
    floats_.insert(floats_.end(), size, value);
    floats_.insert(floats_.end(), kGuard, kSentinel);
  }
  explicit Guarded(const std::vector<float>& values) : Guarded(values.size()) {
    std::copy(values.begin(), values.end(), floats_.begin() + kGuard);
  }
  ~Guarded() {
    for (int i = 0; i < kGuard; ++i) {
      EXPECT_EQ(floats_[static_cast<size_t>(i)], kSentinel) << "written before the buffer";
      EXPECT_EQ(floats_[floats_.size() - 1 - static_cast<size_t>(i)], kSentinel) << "written behind the buffer";
    }
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  float* data() { return floats_.data() + kGuard; }
  std::vector<float> values() const { return {floats_.begin() + kGuard, floats_.end() - kGuard}; }

 private:
  static constexpr int kGuard = 64;
  static constexpr float kSentinel = -123456.75F;
  std::vector<float> floats_;
};

inline std::vector<float> random_floats(std::string_view purpose, int64_t size, float mean = 0.0F, float std = 1.0F) {
  RandomStream random(1, purpose);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = mean + std * random.normal();
  return values;
}

inline void expect_near(const std::vector<float>& actual, const std::vector<double>& expected, double tolerance,
                        const char* what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double worst = 0;
  size_t where = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]) / std::fmax(1.0, std::abs(expected[i]));
    if (!(error <= worst)) worst = error, where = i;
  }
  EXPECT_LE(worst, tolerance) << what << "[" << where << "] is " << actual[where] << ", not " << expected[where];
}

// Runs run() on every instruction set with 1, 2, 3 and again 1 threads: check(result) looks at the first result, the
// others must equal it to the bit.
template <class Run, class Check>
void for_every_isa_and_thread_count(const Run& run, const Check& check) {
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    SCOPED_TRACE(std::string(to_string(isa)));
    set_thread_count(1);
    const std::vector<std::vector<float>> first = run();
    check(first);
    for (const int threads : {2, 3, 1}) {
      set_thread_count(threads);
      EXPECT_EQ(run(), first) << "with " << threads << " threads";
    }
  }
  set_active_isa(available_isas().back());
  set_thread_count(2);
}

}  // namespace convoy::kernels
