#include "cli/ranks.h"

#include <unistd.h>

#include "cli/output.h"

namespace convoy::cli {

int run_on_rank(World* world, const std::string& source, const std::function<int()>& command) {
  if (world == nullptr) return command();
  world->set_last_resort([source](const std::string& line) {
    if (!line.empty()) print_error(source, line);
    _exit(1);  // what hangs keeps destructors waiting
  });
  try {
    return command();
  } catch (const Error& error) {
    if (const auto line = world->fail(error.what())) error.rethrow(*line);
  } catch (const std::exception& error) {
    if (const auto line = world->fail(error.what())) throw Error(*line);
  }
  throw EndedByAnotherRank();
}

}  // namespace convoy::cli
