// Shapes of tensors.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace convoy {

// Element types. Arithmetic accumulates in f32 whatever the storage; u8 holds small indices.
enum class DType : uint8_t { f32, bf16, u8 };

// Bytes of one element.
constexpr int64_t size_of(DType dtype) { return dtype == DType::f32 ? 4 : dtype == DType::bf16 ? 2 : 1; }

// Up to six extents, outermost first, dense row-major. Feature maps are {N, H, W, C}, vectors {N, C}.
class Shape {
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
