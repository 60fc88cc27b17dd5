#include "core/control_group.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {
namespace {

namespace fs = std::filesystem;

// A mounted hierarchy, as a line of /proc/self/mountinfo tells of it.
struct Mount {
  std::string group;  // which of the hierarchy's groups is seen at `place`
  std::string place;
  std::string type;         // "cgroup" for version 1, "cgroup2"
  std::string controllers;  // among the mount's options: "rw,cpu,cpuacct"; version 2 has all
};

bool lists(std::string_view comma_separated, std::string_view word) {
  std::istringstream words{std::string(comma_separated)};
  for (std::string each; std::getline(words, each, ',');) {
    if (each == word) return true;
  }
  return false;
}

// Spaces and the like are written as \040.
std::string unescaped(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i + 1, 3);
    const bool escaped = text[i] == '\\' && digits.size() == 3 &&
                         std::ranges::all_of(digits, [](char digit) { return '0' <= digit && digit <= '7'; });
    result += escaped ? static_cast<char>(std::stoi(std::string(digits), nullptr, 8)) : text[i];
    if (escaped) i += 3;
  }
  return result;
}

std::vector<Mount> mounts_of(const fs::path& root, std::string_view controller) {
  std::vector<Mount> mounts;
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string skipped;
    Mount mount;
    words >> skipped >> skipped >> skipped >> mount.group >> mount.place;
    while (words >> skipped && skipped != "-") {
    }
    words >> mount.type >> skipped >> mount.controllers;
    if (mount.type != "cgroup2" && !(mount.type == "cgroup" && lists(mount.controllers, controller))) continue;
    mount.group = unescaped(mount.group);
    mount.place = unescaped(mount.place);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

// This process's group in the hierarchy of `controller`, or in that of version 2 where it is empty.
std::optional<std::string> own_group(const fs::path& root, std::string_view controller) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "4:cpu,cpuacct:/user/me", "0::/user/me"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : lists(controllers, controller)) return line.substr(second + 1);
  }
  return std::nullopt;
}

// The folders of this process's groups, each followed by those above it.
std::vector<fs::path> visible_groups(const fs::path& root, std::string_view controller) {
  std::vector<fs::path> folders;
  for (const Mount& mount : mounts_of(root, controller)) {
    const auto own = own_group(root, mount.type == "cgroup2" ? "" : controller);
    if (!own) continue;
    fs::path below = fs::path(*own).lexically_relative(mount.group);
    // A container that sees only its own group may know it by the host's name for it.
    if (below.empty() || *below.begin() == "..") below = ".";
    const fs::path place = root / fs::path(mount.place).relative_path();
    for (; !below.empty() && below != "."; below = below.parent_path()) folders.push_back(place / below);
    folders.push_back(place);
  }
  return folders;
}

std::optional<int64_t> number_in(const fs::path& file) {
  int64_t number = 0;
  if (std::ifstream(file) >> number) return number;
  return std::nullopt;
}

int processors_of(const fs::path& group) {
  int64_t quota = 0, period = 0;          // in microseconds
  std::ifstream both(group / "cpu.max");  // "QUOTA PERIOD", or "max PERIOD"
  if (!(both >> quota >> period)) {
    quota = number_in(group / "cpu.cfs_quota_us").value_or(-1);  // -1: none
    period = number_in(group / "cpu.cfs_period_us").value_or(0);
  }
  if (quota <= 0 || period <= 0) return INT_MAX;
  return static_cast<int>(std::min<int64_t>(INT_MAX, (quota - 1) / period + 1));
}

size_t memory_left_in(const fs::path& group) {
  constexpr int64_t kUnlimited = int64_t{1} << 62;  // version 1 writes a number near 2^63 where there is no limit
  const auto version_2 = number_in(group / "memory.max");
  const int64_t limit = version_2.value_or(number_in(group / "memory.limit_in_bytes").value_or(kUnlimited));
  if (limit >= kUnlimited) return SIZE_MAX;
  int64_t used = number_in(group / (version_2 ? "memory.current" : "memory.usage_in_bytes")).value_or(0);
  // In version 1 the groups below count only in what begins with "total_".
  const std::string prefix = version_2 ? "" : "total_";
  std::ifstream statistics(group / "memory.stat");
  std::string key;
  for (int64_t bytes = 0; statistics >> key >> bytes;) {
    if (key == prefix + "inactive_file" || key == prefix + "active_file") used -= bytes;
  }
  return static_cast<size_t>(std::max<int64_t>(0, limit - std::max<int64_t>(0, used)));
}

}  // namespace

int quota_processors(const fs::path& root) {
  int least = INT_MAX;
  for (const fs::path& group : visible_groups(root, "cpu")) least = std::min(least, processors_of(group));
  return least;
}

size_t memory_below_limit(const fs::path& root) {
  size_t least = SIZE_MAX;
  for (const fs::path& group : visible_groups(root, "memory")) least = std::min(least, memory_left_in(group));
  return least;
}

}  // namespace convoy
