// The environment variables that the program knows.
#pragma once

namespace convoy {

// Throws UsageError, with the nearest known name, for a variable CONVOY_... that is neither a recipe's field nor
// CONVOY_ISA.
void check_environment();

}  // namespace convoy
