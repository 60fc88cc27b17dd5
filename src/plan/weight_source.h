// Where the numbers of a network's variables come from.
#pragma once

#include <functional>
#include <span>
#include <string>

namespace convoy {

// Writes the variable of that name into `into`, which has room for its elements, in the layout that kernels use. May be
// called by several threads at once, and may throw.
using WeightSource = std::function<void(const std::string& name, std::span<float> into)>;

}  // namespace convoy
