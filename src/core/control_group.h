// What the control groups (cgroup v1 and v2) of a container, a job or a service let this process use.
#pragma once

#include <cstddef>
#include <filesystem>

namespace convoy {

// The functions look at this process's own group and all above it that it can see: the least of their limits counts.
// `root` stands before the paths of /proc and of the mounts.

// Processors that the quotas pay for, rounded up, at least 1; INT_MAX without a quota.
int quota_processors(const std::filesystem::path& root = "/");

// Bytes left below the memory limits, the page cache counted as free; SIZE_MAX without a limit.
size_t memory_below_limit(const std::filesystem::path& root = "/");

}  // namespace convoy
