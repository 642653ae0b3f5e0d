// What tests need of the operating system, on POSIX and on Windows.
//
// A test case that needs what only POSIX has at run time is `TEST_CASE("…" * support::posix_only)`: doctest counts it as
// skipped on Windows. A test file that calls POSIX has a line "// POSIX only: reason": CMake leaves it out for Windows and says
// so.
#pragma once

#include <doctest/doctest.h>

#if defined(_WIN32)
#include <process.h>
#else
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <filesystem>

namespace support {

#if defined(_WIN32)
inline constexpr bool windows = true;
[[nodiscard]] inline int process_id() { return ::_getpid(); }
[[nodiscard]] inline bool make_pipe(const std::filesystem::path&) { return false; }
#else
inline constexpr bool windows = false;
[[nodiscard]] inline int process_id() { return ::getpid(); }
[[nodiscard]] inline bool make_pipe(const std::filesystem::path& path) { return ::mkfifo(path.c_str(), 0600) == 0; }
#endif

/// For pipes and devices that have paths, and symbolic links, which Windows lets only administrators make.
inline const doctest::skip posix_only(windows);

}  // namespace support
