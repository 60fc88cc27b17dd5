// The kernel that runs an op's reference.
#pragma once

#include "convoy/kernel.h"

namespace convoy {

// Takes every op, on values of f64, f32 and u8.
extern const Kernel kReferenceKernel;

}  // namespace convoy
