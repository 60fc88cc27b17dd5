// What the control group of a container (cgroup v2) lets this process use.
#pragma once

#include <cstddef>
#include <string>

namespace convoy {

inline constexpr const char* kControlGroup = "/sys/fs/cgroup";

// Processors that the quota of the group at `folder` pays for, rounded up, at least 1; INT_MAX without a quota.
int quota_processors(const std::string& folder = kControlGroup);

// Bytes left below the memory limit of the group at `folder`, the page cache counted as free; SIZE_MAX without a limit.
size_t memory_below_limit(const std::string& folder = kControlGroup);

}  // namespace convoy
