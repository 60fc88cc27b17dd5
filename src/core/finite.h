// Whether numbers are finite.
#pragma once

#include <optional>
#include <span>

namespace convoy {

// The place of the first number that is infinite or not a number.
std::optional<size_t> first_not_finite(std::span<const float> values);

}  // namespace convoy
