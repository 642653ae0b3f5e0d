// The main function of programs that run as the ranks of an MPI job: rank 0 speaks for all, and one that fails ends the job.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <sstream>
#include <streambuf>
#include <string>
#include <thread>

#include "bert/core/cores.hpp"
#include "bert/core/error.hpp"
#include "bert/distributed/mpi.hpp"

namespace support {

/// Takes all that is written and keeps none of it.
struct no_output : std::streambuf {
  int overflow(int c) override { return traits_type::not_eof(c); }
  std::streamsize xsputn(const char*, std::streamsize n) override { return n; }
};

/// Threads of a rank by default: the cores that are its own (mpirun --bind-to), or its share of the machine's.
inline std::size_t threads_of_a_rank(const bert::distributed::mpi& ranks) {
  const std::size_t cores = bert::execution::available_cores(), here = ranks.on_this_machine();
  const bool bound = cores < static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  return bound ? cores : std::max<std::size_t>(1, cores / here);
}

/// Runs `program(ranks)`, which returns an exit status, as one of the job's ranks. What ranks other than 0 print is dropped.
/// If one fails, it says so and all end. Where all fail for the same reason, rank 0 says it: the others wait a second first.
template <class Program>
int run_ranks(const char* name, const Program& program) {
  try {
    const bert::distributed::mpi ranks;
    const bool speaks = ranks.rank() == 0;
    no_output nothing;
    std::ostringstream errors;
    std::streambuf *const out = std::cout.rdbuf(), *const err = std::cerr.rdbuf();
    if (!speaks) {
      std::cout.rdbuf(&nothing);
      std::cerr.rdbuf(errors.rdbuf());
    }
    const int status = program(ranks);
    std::cout.rdbuf(out);
    std::cerr.rdbuf(err);
    if (status == 0 || status > 128) return status;  // a signal stopped all of them, together
    if (!speaks) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      std::cerr << bert::cat("rank ", ranks.rank(), ": ", errors.str()) << std::flush;
    }
    ranks.abort(status);
  } catch (const std::exception& e) {
    std::cerr << bert::cat(name, ": ", e.what(), '\n');
    return 1;
  }
}

}  // namespace support
