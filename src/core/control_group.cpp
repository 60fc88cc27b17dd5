#include "core/control_group.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <fstream>

namespace convoy {

int quota_processors(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");  // "QUOTA PERIOD" in microseconds, or "max PERIOD"
  int64_t quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return INT_MAX;
  return static_cast<int>(std::min<int64_t>(INT_MAX, (quota - 1) / period + 1));
}

size_t memory_below_limit(const std::string& folder) {
  size_t limit = 0, used = 0, cached = 0;
  if (!(std::ifstream(folder + "/memory.max") >> limit)) return SIZE_MAX;
  std::ifstream(folder + "/memory.current") >> used;
  std::ifstream statistics(folder + "/memory.stat");
  std::string key;
  for (size_t bytes = 0; statistics >> key >> bytes;) {
    if (key == "inactive_file" || key == "active_file") cached += bytes;
  }
  used -= std::min(used, cached);
  return limit - std::min(limit, used);
}

}  // namespace convoy
