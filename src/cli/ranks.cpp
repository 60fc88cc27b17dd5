#include "cli/ranks.h"

namespace convoy::cli {

int run_on_rank(World* world, const std::function<int()>& command) {
  if (world == nullptr) return command();
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
