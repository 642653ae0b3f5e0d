// Threads where the system gives no more.
// Layer: tests.
// POSIX only: a child process with a limit of its address space starts them.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string_view>

#include "bert/core/execution.hpp"
#include "support/sanitizers.hpp"

#if !defined(BERT_TESTS_SANITIZED)
namespace {
bool two_still_run() {
  std::atomic<int> calls = 0;
  bert::execution::threads(2).parallel_for(10, [&](std::size_t) { ++calls; });
  return calls == 10;
}
}  // namespace

TEST_CASE("threads whose stacks exceed the address space are an error, after those started are joined") {
  const pid_t child = ::fork();  // the limit applies to the child alone
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit tight{std::size_t{256} << 20, std::size_t{256} << 20};
    ::setrlimit(RLIMIT_AS, &tight);
    try {
      const bert::execution::threads many(256);
    } catch (const bert::error& e) {
      const std::string_view text = e.what();
      ::_exit(text.find("expected 256 threads, found ") != std::string_view::npos && two_still_run() ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
#endif
