// What the tests of the kernels share: every setting they run under, random data, and buffers that notice overruns.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/cpu.h"
#include "core/parallel.h"
#include "core/random.h"

namespace convoy::kernels::testing {

template <class Body>
void for_every_isa(const Body& body) {
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    SCOPED_TRACE(std::string(to_string(isa)));
    body();
  }
  set_active_isa(available_isas().back());
}

inline std::vector<float> random_floats(int64_t count, uint64_t stream, float low = -2.0F, float high = 2.0F) {
  RandomStream random(11, "kernel test", stream);
  std::vector<float> data(static_cast<size_t>(count));
  for (float& x : data) x = random.uniform(low, high);
  return data;
}

// Where a buffer begins: at a cache line, as tensors do and as stores around the caches need it, or one float behind.
enum class Placement { unaligned, aligned };

// `count` floats, with guards before and behind that check() compares.
class GuardedFloats {
 public:
  explicit GuardedFloats(int64_t count, Placement placement = Placement::unaligned)
      : count_(static_cast<size_t>(count)), storage_(count_ + 2 * kGuard + kLine, kPattern) {
    const size_t line = reinterpret_cast<uintptr_t>(storage_.data()) / sizeof(float) % kLine;
    begin_ = kGuard + kLine - line + (placement == Placement::unaligned);
  }
  explicit GuardedFloats(const std::vector<float>& data) : GuardedFloats(static_cast<int64_t>(data.size())) {
    std::copy(data.begin(), data.end(), this->data());
  }

  float* data() { return storage_.data() + begin_; }
  std::vector<float> values() const { return {storage_.data() + begin_, storage_.data() + begin_ + count_}; }
  void check() const {
    for (size_t i = 0; i < begin_; ++i) {
      EXPECT_EQ(storage_[i], kPattern) << "written " << begin_ - i << " floats before the buffer";
    }
    for (size_t i = begin_ + count_; i < storage_.size(); ++i) {
      EXPECT_EQ(storage_[i], kPattern) << "written " << i - begin_ - count_ << " floats behind the buffer";
    }
  }

 private:
  static constexpr size_t kLine = 16, kGuard = 32;
  static constexpr float kPattern = -123456.75F;
  size_t count_, begin_;
  std::vector<float> storage_;
};

// Calls run(output) for every instruction set, and there for 1, 2 and 3 threads and once more, each with a fresh output
// of `count` floats, now aligned, now not: none may be written beyond, and all must have the same bits. check(values)
// then judges them.
template <class Run, class Check>
void check_kernel(int64_t count, const Run& run, const Check& check) {
  for_every_isa([&] {
    std::vector<float> first;
    for (const int threads : {1, 2, 3, 1}) {
      set_thread_count(threads);
      GuardedFloats output(count, threads == 2 ? Placement::aligned : Placement::unaligned);
      run(output.data());
      output.check();
      const std::vector<float> values = output.values();
      if (first.empty()) first = values;
      EXPECT_EQ(std::memcmp(values.data(), first.data(), first.size() * sizeof(float)), 0) << threads << " threads";
    }
    check(first);
  });
}

// Every value within tolerance * max(1, |expected|) of expected(i), a double.
template <class Expected>
void expect_close(const std::vector<float>& values, double tolerance, const Expected& expected) {
  for (size_t i = 0; i < values.size(); ++i) {
    const double want = expected(static_cast<int64_t>(i));
    ASSERT_LE(std::abs(values[i] - want), tolerance * std::max(1.0, std::abs(want))) << "element " << i;
  }
}

}  // namespace convoy::kernels::testing
