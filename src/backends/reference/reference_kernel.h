// The kernel that runs an op's reference.
#pragma once

#include "convoy/kernel.h"

namespace convoy {

// Takes every op, on values of f64, f32, u8 and i8.
extern const Kernel kReferenceKernel;

}  // namespace convoy
