#include "convoy/shape.h"

#include <fmt/format.h>

#include "convoy/error.h"

namespace convoy {

Shape::Shape(std::span<const int64_t> extents) {
  constexpr int64_t kMaxElements = int64_t{1} << 40;
  if (extents.size() > kMaxRank) {
    throw Error(fmt::format("shape: at most {} dimensions are supported, got {}", kMaxRank, extents.size()));
  }
  int64_t product = 1;
  for (const int64_t extent : extents) {
    if (extent <= 0 || extent > kMaxElements / product) {
      throw Error(fmt::format("shape: dimension {} has extent {}, expected a positive extent and at most 2^40 elements",
                              rank_, extent));
    }
    product *= extent;
    extents_[static_cast<size_t>(rank_++)] = extent;
  }
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (const int64_t extent : extents()) product *= extent;
  return product;
}

std::string Shape::to_string() const {
  return rank_ == 0 ? std::string("scalar") : fmt::format("{}", fmt::join(extents(), "x"));
}

}  // namespace convoy
