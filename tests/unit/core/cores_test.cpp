// The number of cores, from made-up control groups and from this process's affinity.
// Layer: tests.
#include "bert/core/cores.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "unit/io/scratch.hpp"

using namespace bert::execution::detail;

namespace {
void put(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}
}  // namespace

TEST_CASE("the least quota of a group and its ancestors counts, rounded up to whole cores") {
  const bert::testing::scratch dir;
  const std::string root = dir.folder().string();
  CHECK(cores_by_group(root) == 0);
  put(root + "/proc/self/cgroup", "0::/a/b\n");
  CHECK(cores_by_group(root) == 0);
  put(root + "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  CHECK(cores_by_group(root) == 0);
  put(root + "/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  CHECK(cores_by_group(root) == 3);
  put(root + "/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  CHECK(cores_by_group(root) == 1);
}

TEST_CASE("in a container, whose own group is the root of the mount, its quota is found") {
  const bert::testing::scratch dir;
  const std::string root = dir.folder().string();
  put(root + "/proc/self/cgroup", "0::/kubepods/pod1\n");
  put(root + "/sys/fs/cgroup/cpu.max", "400000 100000\n");
  CHECK(cores_by_group(root) == 4);
}

TEST_CASE("control groups of version 1 have two files, -1 for no limit, and other controllers are skipped") {
  const bert::testing::scratch dir;
  const std::string root = dir.folder().string();
  put(root + "/proc/self/cgroup", "5:memory:/x\n4:cpuacct,cpu:/x\n3:cpuset:/\n");
  put(root + "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n");
  put(root + "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
  CHECK(cores_by_group(root) == 0);
  put(root + "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "150000\n");
  CHECK(cores_by_group(root) == 2);
  put(root + "/proc/self/cgroup", "no line of a group\n:\n\n");
  CHECK(cores_by_group(root) == 0);
}

TEST_CASE("there is at least one core") { CHECK(bert::execution::available_cores() >= 1); }
