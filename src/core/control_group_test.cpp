#include "core/control_group.h"

#include <gtest/gtest.h>

#include <climits>
#include <cstdint>
#include <fstream>

namespace convoy {
namespace {

namespace fs = std::filesystem;

// A root folder with a /proc and mounted hierarchies as the kernel writes them.
class ControlGroup : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }
  // Version 2, as a container has it that sees its own group at the top.
  void mount_version_2(const std::string& own_group = "/", const std::string& seen_group = "/") const {
    write("proc/self/cgroup", "0::" + own_group);
    write("proc/self/mountinfo", "24 1 0:21 / / rw - ext4 /dev/sda rw\n30 24 0:26 " + seen_group +
                                     " /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate");
  }
  // Version 1, as Docker shows it on a host that mounts each controller by itself.
  void mount_version_1(const std::string& own_group, const std::string& seen_group) const {
    write("proc/self/cgroup",
          "11:memory:" + own_group + "\n4:cpu,cpuacct:" + own_group + "\n1:name=systemd:" + own_group);
    write("proc/self/mountinfo",
          "33 31 0:28 " + seen_group + " /sys/fs/cgroup/cpu,cpuacct ro master:10 - cgroup cgroup rw,cpu,cpuacct\n" +
              "36 31 0:31 " + seen_group + " /sys/fs/cgroup/memory ro master:14 - cgroup cgroup rw,memory");
  }

  const fs::path root_ = fs::path(::testing::TempDir()) /
                         (std::string("convoy_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(ControlGroup, WithoutLimitsThereAreNone) {
  EXPECT_EQ(quota_processors(root_), INT_MAX);
  EXPECT_EQ(memory_below_limit(root_), SIZE_MAX);
  mount_version_2();
  EXPECT_EQ(quota_processors(root_), INT_MAX);
  EXPECT_EQ(memory_below_limit(root_), SIZE_MAX);
  write("sys/fs/cgroup/cpu.max", "max 100000");
  write("sys/fs/cgroup/memory.max", "max");
  write("sys/fs/cgroup/memory.current", "4096");
  EXPECT_EQ(quota_processors(root_), INT_MAX);
  EXPECT_EQ(memory_below_limit(root_), SIZE_MAX);
}

TEST_F(ControlGroup, PartOfAProcessorCountsAsOne) {
  mount_version_2();
  write("sys/fs/cgroup/cpu.max", "200000 100000");
  EXPECT_EQ(quota_processors(root_), 2);
  write("sys/fs/cgroup/cpu.max", "250000 100000");
  EXPECT_EQ(quota_processors(root_), 3);
  write("sys/fs/cgroup/cpu.max", "1000 100000");
  EXPECT_EQ(quota_processors(root_), 1);
}

TEST_F(ControlGroup, PageCacheIsFreeMemory) {
  mount_version_2();
  write("sys/fs/cgroup/memory.max", "1000000");
  write("sys/fs/cgroup/memory.current", "900000");
  EXPECT_EQ(memory_below_limit(root_), 100000U);
  write("sys/fs/cgroup/memory.stat", "anon 200000\nfile 700000\ninactive_file 500000\nactive_file 150000");
  EXPECT_EQ(memory_below_limit(root_), 750000U);
}

TEST_F(ControlGroup, NoMemoryIsLeftAtTheLimit) {
  mount_version_2();
  write("sys/fs/cgroup/memory.max", "1000000");
  write("sys/fs/cgroup/memory.current", "1000001");
  EXPECT_EQ(memory_below_limit(root_), 0U);
}

TEST_F(ControlGroup, TheLeastLimitOfAllGroupsAboveCounts) {
  mount_version_2("/user.slice/app.slice/job.scope");
  write("sys/fs/cgroup/user.slice/cpu.max", "300000 100000");
  write("sys/fs/cgroup/user.slice/app.slice/cpu.max", "max 100000");
  write("sys/fs/cgroup/user.slice/app.slice/job.scope/cpu.max", "800000 100000");
  EXPECT_EQ(quota_processors(root_), 3);
  write("sys/fs/cgroup/user.slice/app.slice/job.scope/cpu.max", "50000 50000");
  EXPECT_EQ(quota_processors(root_), 1);
  write("sys/fs/cgroup/other.slice/cpu.max", "1 100000");
  EXPECT_EQ(quota_processors(root_), 1);

  write("sys/fs/cgroup/user.slice/memory.max", "2000000");
  write("sys/fs/cgroup/user.slice/memory.current", "1500000");
  write("sys/fs/cgroup/user.slice/app.slice/job.scope/memory.max", "1000000");
  write("sys/fs/cgroup/user.slice/app.slice/job.scope/memory.current", "100000");
  EXPECT_EQ(memory_below_limit(root_), 500000U);
}

TEST_F(ControlGroup, Version1HasFilesOfItsOwn) {
  mount_version_1("/docker/abc", "/docker/abc");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "4096");
  EXPECT_EQ(quota_processors(root_), INT_MAX);
  EXPECT_EQ(memory_below_limit(root_), SIZE_MAX);
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000");
  EXPECT_EQ(quota_processors(root_), 2);
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "900000");
  // The group's own cache counts with that of the groups below, not twice.
  write("sys/fs/cgroup/memory/memory.stat",
        "inactive_file 300000\nactive_file 100000\ntotal_inactive_file 400000\ntotal_active_file 200000");
  EXPECT_EQ(memory_below_limit(root_), 700000U);
}

TEST_F(ControlGroup, Version1IsNestedToo) {
  mount_version_1("/batch/job 7/step", "/");
  write("sys/fs/cgroup/cpu,cpuacct/batch/job 7/cpu.cfs_quota_us", "400000");
  write("sys/fs/cgroup/cpu,cpuacct/batch/job 7/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/cpu,cpuacct/batch/job 7/step/cpu.cfs_quota_us", "-1");
  write("sys/fs/cgroup/cpu,cpuacct/batch/job 7/step/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota_processors(root_), 4);
  write("sys/fs/cgroup/memory/batch/memory.limit_in_bytes", "70000");
  EXPECT_EQ(memory_below_limit(root_), 70000U);
}

// The process's own group is not below the one that is mounted: a container's view without a namespace of its own.
TEST_F(ControlGroup, AGroupByTheHostsNameIsTheOneThatIsSeen) {
  mount_version_2("/../../kubepods/pod1", "/");
  write("sys/fs/cgroup/cpu.max", "200000 100000");
  EXPECT_EQ(quota_processors(root_), 2);
  mount_version_2("/kubepods/pod1", "/kubepods/pod1/box");
  EXPECT_EQ(quota_processors(root_), 2);
  mount_version_2("/kubepods/pod1/box/inner", "/kubepods/pod1");
  write("sys/fs/cgroup/box/inner/cpu.max", "100000 100000");
  EXPECT_EQ(quota_processors(root_), 1);
}

TEST_F(ControlGroup, BothVersionsMayBeMountedAtOnce) {
  write("proc/self/cgroup", "2:cpu:/v1\n0::/v2");
  write("proc/self/mountinfo",
        "38 31 0:35 / /sys/fs/cgroup/with\\040space rw - cgroup cgroup rw,cpu\n"
        "39 31 0:36 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw");
  write("sys/fs/cgroup/unified/v2/memory.max", "5000");
  write("sys/fs/cgroup/with space/v1/cpu.cfs_quota_us", "500000");
  write("sys/fs/cgroup/with space/v1/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota_processors(root_), 5);
  EXPECT_EQ(memory_below_limit(root_), 5000U);
}

}  // namespace
}  // namespace convoy
