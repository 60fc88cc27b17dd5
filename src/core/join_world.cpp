#include "core/join_world.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "convoy/error.h"
#include "core/lazy_library.h"

namespace convoy {
namespace {

// The number of processes that a launcher started; each leaves its own trace. Slurm's is of a job step, which srun
// makes, and not of a batch script.
int processes_started() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    if (const char* text = std::getenv(variable)) return std::atoi(text);
  }
  return 1;
}

// Beside the program, or where an installation has it.
std::filesystem::path find_mpi_library() {
  std::error_code ignored;
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const std::filesystem::path& folder : {here, here / CONVOY_PLUGIN_FOLDER}) {
    const std::filesystem::path library = folder / "libconvoy_mpi.so";
    if (std::filesystem::exists(library, ignored)) return library;
  }
  return {};
}

}  // namespace

std::unique_ptr<World> join_world(bool mpi) {
  const int started = processes_started();
  if (started <= 1 && !mpi) return nullptr;
  const std::filesystem::path path = find_mpi_library();
  if (path.empty()) {
    throw UsageError(fmt::format(
        "{} processes were started together, but this convoy was built without MPI; install libopenmpi-dev or "
        "libmpich-dev, whichever mpirun belongs to, and build it again",
        started));
  }
  const LazyLibrary library(path.c_str());
  Transport* (*const make)() = library["convoy_mpi_transport"];
  std::unique_ptr<Transport> transport(make());
  if (started > 1 && transport->size() != started) {
    const int known = transport->size();
    transport->finish();
    throw UsageError(
        fmt::format("{} processes were started together, but MPI knows of {}; start them with the mpirun of the MPI "
                    "that convoy was "
                    "built with, or with srun --mpi=pmix or --mpi=pmi2",
                    started, known));
  }
  if (transport->size() == 1) {
    transport->finish();
    return nullptr;
  }
  return std::make_unique<World>(std::move(transport));
}

}  // namespace convoy
