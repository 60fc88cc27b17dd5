// What every op case is put through.
#pragma once

#include "ops/op_case.h"

namespace convoy {

// Fails the running test, naming tensor and element, where the case breaks a promise.
void check_op_case(const OpCase& op_case);

}  // namespace convoy
