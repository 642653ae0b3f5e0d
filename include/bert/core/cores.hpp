// How many processor cores this process may use: its affinity mask and the quota of its control group.
// Layer: core. Test: tests/unit/core/cores_test.cpp
#ifndef BERT_CORE_CORES_HPP
#define BERT_CORE_CORES_HPP

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "bert/core/isa.hpp"
#include "bert/core/windows.hpp"

namespace bert::inline BERT_ISA::execution {

namespace detail {

/// The content of a file of up to 4 KB; empty if it cannot be read.
[[nodiscard]] inline std::string small_file(const std::string& path) {
  std::string text;
  if (std::FILE* file = std::fopen(path.c_str(), "rb"); file != nullptr) {
    char block[4096];
    text.assign(block, std::fread(block, 1, sizeof block, file));
    std::fclose(file);
  }
  return text;
}

/// quota / period, rounded up. Both are texts such as "200000" and "100000"; 0 if either is "max", -1 or not a positive number.
[[nodiscard]] inline std::size_t quota_of(std::string_view quota, std::string_view period) {
  std::int64_t q = 0, p = 0;
  if (std::from_chars(quota.data(), quota.data() + quota.size(), q).ec != std::errc{} ||
      std::from_chars(period.data(), period.data() + period.size(), p).ec != std::errc{} || q <= 0 || p <= 0)
    return 0;
  return static_cast<std::size_t>((q + p - 1) / p);
}

/// The cores that the quotas of this control group and its ancestors allow; 0 if none sets a limit. Only tests set `root`.
[[nodiscard]] inline std::size_t cores_by_group(const std::string& root = {}) {
  std::size_t least = 0;
  const auto limit = [&](std::size_t cores) {
    if (cores != 0) least = least == 0 ? cores : std::min(least, cores);
  };
  // Lines "0::/path" (version 2) and "4:cpu,cpuacct:/path" (version 1).
  const std::string groups = small_file(root + "/proc/self/cgroup");
  for (std::string_view rest = groups; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string controllers = ',' + std::string(line.substr(first + 1, second - first - 1)) + ',';
    const bool two = controllers == ",,";
    if (!two && controllers.find(",cpu,") == std::string::npos) continue;
    // In a container the path may be the host's, which is not mounted here: then the root of the mount is the group.
    for (std::string path(line.substr(second + 1));; path.resize(path.rfind('/'))) {
      if (path == "/") path.clear();
      if (two) {
        const std::string text = small_file(root + "/sys/fs/cgroup" + path + "/cpu.max");
        if (const std::size_t blank = text.find(' '); blank != std::string::npos)
          limit(quota_of(text, std::string_view(text).substr(blank + 1)));
      } else {
        const std::string folder = root + "/sys/fs/cgroup/cpu" + path;
        limit(quota_of(small_file(folder + "/cpu.cfs_quota_us"), small_file(folder + "/cpu.cfs_period_us")));
      }
      if (path.find('/') == std::string::npos) break;
    }
  }
  return least;
}

/// The number of processors in this thread's affinity mask, of this process's on Windows; 0 if the system does not say.
[[nodiscard]] inline std::size_t cores_by_affinity() {
#if defined(__linux__)
  for (int processors = 1024; processors <= 1 << 16; processors *= 4) {
    cpu_set_t* const set = CPU_ALLOC(static_cast<std::size_t>(processors));
    if (set == nullptr) return 0;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(processors));
    const bool known = ::sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return static_cast<std::size_t>(count);
  }
#elif defined(_WIN32)
  // Of the processors of one group, at most 64; a process of several groups has a mask of none.
  DWORD_PTR mine = 0, machine = 0;
  if (::GetProcessAffinityMask(::GetCurrentProcess(), &mine, &machine) != 0)
    return mine != 0 ? static_cast<std::size_t>(std::popcount(mine)) : ::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
#endif
  return 0;
}

}  // namespace detail

/// The number of cores that this process may use, at least 1: the processors in its affinity mask, limited by its control
/// group's CPU quota (rounded up). Queried once per process.
[[nodiscard]] inline std::size_t available_cores() {
  static const std::size_t cores = [] {
    std::size_t n = detail::cores_by_affinity();
    if (n == 0) n = std::thread::hardware_concurrency();
#if !defined(_WIN32)
    if (const std::size_t quota = detail::cores_by_group(); quota != 0) n = std::min(n, quota);
#endif
    return std::max<std::size_t>(n, 1);
  }();
  return cores;
}

}  // namespace bert::execution

#endif  // BERT_CORE_CORES_HPP
