// Shapes of tensors.
//
// Threads: these are values, as an int is.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "convoy/export_macro.h"

namespace convoy {

// A height and a width.
struct Size2 {
  int64_t h = 1, w = 1;

  constexpr Size2(int64_t both) : h(both), w(both) {}  // NOLINT(google-explicit-constructor): `.kernel = 3` is meant
  constexpr Size2(int64_t height, int64_t width) : h(height), w(width) {}
  constexpr bool at_least(int64_t least) const { return h >= least && w >= least; }
  friend bool operator==(const Size2&, const Size2&) = default;
};

// Up to six extents, outermost first, dense row-major. Feature maps are {N, H, W, C}, vectors {N, C}.
class CONVOY_API Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  // Throws Error when there are more than kMaxRank extents, one is not positive, or their product exceeds 2^40.
  Shape(std::initializer_list<int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const int64_t> extents);

  int rank() const { return rank_; }
  // Extent of an axis; negative axes count from the end.
  int64_t operator[](int axis) const { return extents_[static_cast<size_t>(axis < 0 ? axis + rank_ : axis)]; }
  // Product of all extents; 1 for a scalar (rank 0).
  int64_t elements() const;
  std::span<const int64_t> extents() const { return {extents_.data(), static_cast<size_t>(rank_)}; }
  // "2x7x7x64"; "scalar" for rank 0.
  std::string to_string() const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

}  // namespace convoy
