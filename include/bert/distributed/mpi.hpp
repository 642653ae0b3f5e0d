// Replicas as the ranks of an MPI job: gradients summed in a fixed order, so that the number of ranks changes no bit.
// Layer: distributed. Test: tests/distributed/mpi_test.cpp, tests/functional/ranks.py. Page: docs/scaling.md
// Paper: Thakur, Rabenseifner and Gropp 2005, "Optimization of collective communication operations in MPICH".
#ifndef BERT_DISTRIBUTED_MPI_HPP
#define BERT_DISTRIBUTED_MPI_HPP

#include <mpi.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/rows/elementwise.hpp"
#include "bert/kernels/simd/bf16.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/storage.hpp"
#include "bert/tensor/view.hpp"
#include "bert/training/reduction.hpp"

namespace bert::inline BERT_ISA::distributed {

/// As what gradients are sent. Sums are f32 either way. With bf16 half the bytes are sent, each number rounded once an
/// exchange: all ranks still have the same bits, but other bits than another number of ranks.
enum class wire : std::uint8_t { f32, bf16 };

/// The ranks of an MPI job as a trainer's replicas:
///
///     const bert::distributed::mpi ranks;      // joins the job; MPI is finalized with the last copy
///     bert::trainer trainer{model, objective, optimizer, schedule, {.leaves = 16}, ranks};
///
/// With equal `leaves`, 1, 2, 4, … ranks train to the same bytes. Any thread may call the members, one at a time
/// (MPI_THREAD_SERIALIZED); `background` (distributed/background.hpp) sums on a thread of its own.
///
/// `add` is Rabenseifner's all-reduce with this order of sums: log2(R) exchanges of halves at distance 1, 2, 4, … leave each
/// rank with the sum of one R-th part, ((r0 + r1) + (r2 + r3)) + …; the same exchanges backward give all parts to all ranks. A
/// rank sends and receives 2 (R - 1) / R times the bytes of `values`. MPI's own reductions are not used: their order may
/// depend on the length, the library and the network.
///
/// An exception leaves a job in which the other ranks wait: end such a program by `abort`, or let the process end without
/// catching; MPI is not finalized while an exception is on its way, and mpirun then ends the job.
class mpi {
 public:
  /// Floats of one message whose content is added, 4 MiB: the next is on its way meanwhile. bench/exchange_mpi, two ranks: 440
  /// MB by messages of 256 KiB, 1 MiB and 4 MiB in 421, 397 and 309 ms over TCP, in 129, 89 and 114 ms by shared memory.
  static constexpr std::size_t message = std::size_t{1} << 20;

  /// All ranks of the job. Initializes MPI if the program has not. Throws bert::error if MPI fails.
  mpi() : job_(std::make_shared<job>(MPI_COMM_WORLD)) {}
  /// The ranks of a communicator of the program's own, which is duplicated.
  explicit mpi(MPI_Comm ranks) : job_(std::make_shared<job>(ranks)) {}

  /// The same ranks, which send gradients as `w`.
  [[nodiscard]] mpi over(wire w) const {
    mpi other = *this;
    other.wire_ = w;
    return other;
  }

  [[nodiscard]] std::size_t rank() const noexcept { return job_->rank; }
  [[nodiscard]] std::size_t size() const noexcept { return job_->size; }

  /// How many of the ranks share this machine's memory, this one included. Every rank calls it.
  [[nodiscard]] std::size_t on_this_machine() const {
    MPI_Comm here = MPI_COMM_NULL;
    check(MPI_Comm_split_type(job_->comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here), "MPI_Comm_split_type");
    int n = 1;
    check(MPI_Comm_size(here, &n), "MPI_Comm_size");
    check(MPI_Comm_free(&here), "MPI_Comm_free");
    return static_cast<std::size_t>(n);
  }

  /// Ends all ranks now; the job's exit status is `status`.
  [[noreturn]] void abort(int status) const noexcept {
    MPI_Abort(job_->comm, status);
    std::terminate();  // MPI_Abort does not return
  }

  /// all[r mine.size(), …) <- the `mine` of rank r.
  void gather(std::span<const std::uint64_t> mine, std::span<std::uint64_t> all) const {
    const int n = static_cast<int>(mine.size());
    check(MPI_Allgather(mine.data(), n, MPI_UINT64_T, all.data(), n, MPI_UINT64_T, job_->comm), "MPI_Allgather");
  }

  /// values <- ((r0 + r1) + (r2 + r3)) + …, element by element; size() is a power of two. Throws bert::error if it is not.
  void add(std::span<float> values) const {
    if (!std::has_single_bit(size())) throw_error({"bert::distributed::mpi", "a power of two of ranks", cat(size()), {}});
    std::vector<std::span<float>> kept, given;  // at each distance
    for (std::size_t apart = 1; apart < size(); apart *= 2) {
      const auto low = values.first(values.size() / 2), high = values.subspan(values.size() / 2);
      const bool upper = (rank() & apart) != 0;
      kept.push_back(upper ? high : low);
      given.push_back(upper ? low : high);
      send(rank() ^ apart, given.back(), kept.back(), true);
      values = kept.back();
    }
    if (wire_ == wire::bf16 && size() > 1) round(values);  // as the other ranks have it
    for (std::size_t apart = size() / 2; apart > 0; apart /= 2) {
      send(rank() ^ apart, kept.back(), given.back(), false);
      kept.pop_back();
      given.pop_back();
    }
  }

 private:
  struct job {
    explicit job(MPI_Comm ranks) {
      int there = 0, provided = MPI_THREAD_SINGLE;
      check(MPI_Initialized(&there), "MPI_Initialized");
      if (there == 0) {
        check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
        initialized = true;
      } else {
        check(MPI_Query_thread(&provided), "MPI_Query_thread");
      }
      if (provided < MPI_THREAD_SERIALIZED)
        throw_error(
            {"bert::distributed::mpi", "an MPI of MPI_THREAD_SERIALIZED or more", "less", "initialize it by MPI_Init_thread"});
      check(MPI_Comm_dup(ranks, &comm), "MPI_Comm_dup");
      check(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
      int r = 0, n = 0;
      check(MPI_Comm_rank(comm, &r), "MPI_Comm_rank");
      check(MPI_Comm_size(comm, &n), "MPI_Comm_size");
      rank = static_cast<std::size_t>(r);
      size = static_cast<std::size_t>(n);
    }
    job(const job&) = delete;
    job& operator=(const job&) = delete;
    // MPI_Finalize waits for all ranks, which would wait for ever for one that an exception has stopped.
    ~job() {
      int over = 0;
      MPI_Finalized(&over);
      if (over != 0 || std::uncaught_exceptions() > exceptions) return;
      MPI_Comm_free(&comm);
      if (initialized) MPI_Finalize();
    }

    MPI_Comm comm = MPI_COMM_NULL;
    std::size_t rank = 0, size = 1;
    bool initialized = false;
    int exceptions = std::uncaught_exceptions();
    std::vector<float> buffer = std::vector<float>(2 * message);
  };

  void send(std::size_t other, std::span<const float> from, std::span<float> to, bool sums) const {
    if (wire_ == wire::bf16) exchange<bf16>(other, from, to, sums);
    else exchange<float>(other, from, to, sums);
  }
  void round(std::span<float> values) const noexcept {
    bf16* const rounded = reinterpret_cast<bf16*>(job_->buffer.data());
    for (std::size_t start = 0; start < values.size(); start += message) {
      const auto p = values.subspan(start, std::min(message, values.size() - start));
      kernels::convert(execution::serial{}, matrix<const float>{p.data(), 1, p.size()}, matrix<bf16>{rounded, 1, p.size()});
      take(rounded, p, false);
    }
  }

  static void check(int code, const char* call) {
    if (code == MPI_SUCCESS) return;
    std::array<char, MPI_MAX_ERROR_STRING> text{};
    int length = 0;
    MPI_Error_string(code, text.data(), &length);
    throw_error({call, "success", std::string(text.data(), static_cast<std::size_t>(length)),
                 "see the messages of the other ranks, and of mpirun"});
  }

  /// Returns when `request` is done. Asks in a loop, as few MPIs go on by themselves; after a while it sleeps in between, so
  /// that threads that compute have the core.
  static void wait(MPI_Request& request) {
    int done = 0;
    for (int asked = 0; done == 0; ++asked) {
      check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
      if (done == 0 && asked > 1'000) std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  /// Sends `from` as numbers of type T to rank `other` and receives what it sends, into `to` or (`sums`) to be added to it.
  template <class T>
  void exchange(std::size_t other, std::span<const float> from, std::span<float> to, bool sums) const {
    constexpr int tag = 1;
    constexpr bool narrow = std::same_as<T, bf16>;
    const MPI_Datatype type = narrow ? MPI_UINT16_T : MPI_FLOAT;
    const int peer = static_cast<int>(other);
    const bool in_place = !narrow && !sums;  // floats that are only copied go at once, up to 1 GiB
    const std::size_t length = in_place ? std::size_t{1} << 28 : message;
    const auto part = [length](auto span, std::size_t i) {
      const std::size_t start = std::min(span.size(), i * length);
      return span.subspan(start, std::min(length, span.size() - start));
    };
    T* const received = reinterpret_cast<T*>(job_->buffer.data());  // two messages; of bf16, two more to be sent
    std::array<MPI_Request, 2> in{MPI_REQUEST_NULL, MPI_REQUEST_NULL}, out{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    const auto start = [&](std::size_t i) {
      if (const auto p = part(to, i); !p.empty()) {
        void* at = p.data();
        if (!in_place) at = received + i % 2 * message;
        check(MPI_Irecv(at, static_cast<int>(p.size()), type, peer, tag, job_->comm, &in[i % 2]), "MPI_Irecv");
      }
      if (const auto p = part(from, i); !p.empty()) {
        const void* at = p.data();
        if constexpr (narrow) {
          T* const rounded = received + (2 + i % 2) * message;
          kernels::convert(execution::serial{}, matrix<const float>{p.data(), 1, p.size()}, matrix<T>{rounded, 1, p.size()});
          at = rounded;
        }
        check(MPI_Isend(at, static_cast<int>(p.size()), type, peer, tag, job_->comm, &out[i % 2]), "MPI_Isend");
      }
    };
    const std::size_t messages = (std::max(from.size(), to.size()) + length - 1) / length;
    start(0);
    start(1);
    for (std::size_t i = 0; i < messages; ++i) {
      wait(in[i % 2]);
      if (const auto p = part(to, i); !in_place) take(received + i % 2 * message, p, sums);
      wait(out[i % 2]);
      start(i + 2);
    }
  }

  /// to = from, or to += from
  template <class T>
  static void take(const T* from, std::span<float> to, bool sums) noexcept {
    kernels::for_each_register(to.size(), [&](std::size_t i, auto extent) {
      const auto x = kernels::load(from + i, extent);
      kernels::store(to.data() + i, sums ? kernels::load(to.data() + i, extent) + x : x, extent);
    });
  }

  std::shared_ptr<job> job_;
  wire wire_ = wire::f32;
};
static_assert(training::reduction<mpi>);

}  // namespace bert::distributed

#endif  // BERT_DISTRIBUTED_MPI_HPP
