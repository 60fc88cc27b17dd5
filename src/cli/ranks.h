// Commands that several processes run together.
#pragma once

#include <functional>

#include "core/world.h"

namespace convoy::cli {

// Calls `command`. On a rank of a world (null: there is no other), the others hear of an error, and the line of the
// rank that failed first is printed, and no other.
int run_on_rank(World* world, const std::function<int()>& command);

}  // namespace convoy::cli
