// Commands that several processes run together.
#pragma once

#include <functional>
#include <string>

#include "core/world.h"

namespace convoy::cli {

// Calls `command`. On a rank of a world (null: there is no other), the others hear of an error, and the line of the
// rank that failed first is printed, and no other; a rank that hangs then is ended.
// source: what its lines begin with, "convoy train".
int run_on_rank(World* world, const std::string& source, const std::function<int()>& command);

}  // namespace convoy::cli
