// How a file of weights orders the axes of matrices.
//
// Threads: these are values, as an int is.
#pragma once

#include <cstdint>

namespace convoy {

enum class SourceLayout : uint8_t {
  torch,  // {out, in}
  paddle  // {in, out}
};

}  // namespace convoy
