// What the tests of the kernels share: every setting they run under, random data, and buffers that notice overruns.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
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

// Values that end where memory does: to read what lies behind them ends the program.
template <class T>
class Fenced {
 public:
  explicit Fenced(const std::vector<T>& values) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = values.size() * sizeof(T), pages = (bytes + page - 1) / page * page;
    mapped_ = pages + page;
    memory_ =
        static_cast<std::byte*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(memory_, MAP_FAILED);
    EXPECT_EQ(mprotect(memory_ + pages, page, PROT_NONE), 0);
    begin_ = reinterpret_cast<T*>(memory_ + pages - bytes);
    std::ranges::copy(values, begin_);
  }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;
  ~Fenced() { munmap(memory_, mapped_); }

  T* data() { return begin_; }
  T& operator[](size_t i) { return begin_[i]; }

 private:
  std::byte* memory_;
  size_t mapped_;
  T* begin_;
};

// Values between guards, which are compared at the end of its life.
template <class T = float>
class Guarded {
 public:
  template <std::integral Count>
  explicit Guarded(Count count, Placement placement = Placement::unaligned)
      : size_(static_cast<size_t>(count)), storage_(size_ * sizeof(T) + 2 * kGuard + kLine, kPattern) {
    const size_t line = reinterpret_cast<uintptr_t>(storage_.data()) % kLine;
    begin_ = kGuard + kLine - line + (placement == Placement::unaligned ? sizeof(float) : 0);
  }
  explicit Guarded(const std::vector<T>& values, Placement placement = Placement::unaligned)
      : Guarded(values.size(), placement) {
    std::ranges::copy(values, data());
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    for (size_t i = 0; i < begin_; ++i) {
      EXPECT_EQ(storage_[i], kPattern) << "written " << begin_ - i << " bytes before the buffer";
    }
    const size_t end = begin_ + size_ * sizeof(T);
    for (size_t i = end; i < storage_.size(); ++i) {
      EXPECT_EQ(storage_[i], kPattern) << "written " << i - end << " bytes behind the buffer";
    }
  }

  T* data() { return reinterpret_cast<T*>(storage_.data() + begin_); }
  T& operator[](size_t i) { return data()[i]; }
  size_t size() const { return size_; }
  std::vector<T> values() { return {data(), data() + size_}; }

 private:
  static constexpr size_t kLine = 64, kGuard = 128;
  static constexpr std::byte kPattern{0xC5};
  size_t size_, begin_;
  std::vector<std::byte> storage_;
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
inline bool same_bits(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return same_bits(x, y); });
}

// Calls run() for every instruction set, and there for 1, 2 and 3 threads and once more: check(result) judges the first
// result, the others must have the same bits.
template <class Run, class Check>
void for_every_isa_and_thread_count(const Run& run, const Check& check) {
  for_every_isa([&] {
    set_thread_count(1);
    const auto first = run();
    check(first);
    for (const int threads : {2, 3, 1}) {
      set_thread_count(threads);
      EXPECT_TRUE(same_bits(run(), first)) << "with " << threads << " threads";
    }
  });
}

// The same of a kernel with one output of `count` floats, run(output): now aligned, now not, and never written beyond.
template <class Run, class Check>
void check_kernel(int64_t count, const Run& run, const Check& check) {
  for_every_isa_and_thread_count(
      [&] {
        Guarded output(count, thread_count() == 2 ? Placement::aligned : Placement::unaligned);
        run(output.data());
        return output.values();
      },
      check);
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
