// How a process finds the others that were started with it.
#pragma once

#include <memory>

#include "core/world.h"

namespace convoy {

// The world of the processes that mpirun or srun started, as their environment tells; null where there is no other.
// mpi: join it whatever the environment says. Throws UsageError where there are others, but no MPI to reach them by.
std::unique_ptr<World> join_world(bool mpi);

}  // namespace convoy
