// How a file of weights orders the axes of matrices.
#pragma once

#include <cstdint>

namespace convoy {

enum class SourceLayout : uint8_t {
  torch,  // {out, in}
  paddle  // {in, out}
};

}  // namespace convoy
