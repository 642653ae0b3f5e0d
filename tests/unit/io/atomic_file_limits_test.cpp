// The atomic file where no more can be written.
// Layer: tests.
// POSIX only: a limit of the size of files stands for a full disk.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <string>

#include "bert/io/atomic_file.hpp"
#include "scratch.hpp"

using namespace bert::io;
using bert::testing::has;
using bert::testing::message_of;
using bert::testing::scratch;
using bert::testing::slurp;

TEST_CASE("a full disk is an error and leaves the old file") {
  const scratch dir;
  const auto path = dir.file("state", "old");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{100'000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  const auto message = message_of([&] { write_file(path, std::string(1'000'000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(has(message, "File too large"));
  CHECK(slurp(path) == "old");
  CHECK_FALSE(std::filesystem::exists(dir / "state.part"));
}
