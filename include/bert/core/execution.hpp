// Executors: they run the iterations of a kernel's outer loop, serially or on threads.
// Layer: core. Test: tests/unit/core/execution_test.cpp
#ifndef BERT_CORE_EXECUTION_HPP
#define BERT_CORE_EXECUTION_HPP

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "bert/core/cores.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA {

/// `parallel_for(count, body)` calls `body(i)` once for every i in [0, count), in any order, on any thread, and returns
/// when all calls have returned. `width()` is how many calls may run at once. Bodies do not throw.
template <class E>
concept executor = std::copyable<E> && requires(const E& e, std::size_t count, void (*body)(std::size_t)) {
  e.parallel_for(count, body);
  { e.width() } -> std::convertible_to<std::size_t>;
};

namespace execution {

/// The calling thread alone.
struct serial {
  template <class Body>
  void parallel_for(std::size_t count, Body&& body) const {
    for (std::size_t i = 0; i < count; ++i) body(i);
  }
  [[nodiscard]] std::size_t width() const noexcept { return 1; }
};

/// The calling thread and n - 1 worker threads, started by the constructor and joined when the last copy is destroyed.
///
/// Each thread first runs its own share, the same in every loop of that length: what it wrote in one kernel is in its cache in
/// the next. Then it steals from other shares, one iteration at a time, so a slow core runs fewer. A loop ends when its
/// iterations are done and does not wait for threads that have not begun. An idle thread spins for some 50 µs (the gap between
/// two kernels), then sleeps. If two user threads share one `threads`, the second finds it busy and runs its loop alone. The
/// results are the same: no kernel's arithmetic depends on the thread.
///
/// More threads than `available_cores()` gain nothing: the surplus ones sleep while the others work.
class threads {
 public:
  /// Throws bert::error for 0 threads, more than 4096, or if the system refuses to start one; those already started are joined
  /// first.
  explicit threads(std::size_t n = available_cores()) : pool_(std::make_shared<pool>(n)) {}

  template <class Body>
  void parallel_for(std::size_t count, Body&& body) const {
    pool_->run(
        count, [](void* b, std::size_t i) { (*static_cast<std::remove_reference_t<Body>*>(b))(i); },
        const_cast<void*>(static_cast<const void*>(std::addressof(body))));
  }
  [[nodiscard]] std::size_t width() const noexcept { return pool_->width(); }
  /// How many threads exceed `available_cores()`, for a program that warns.
  [[nodiscard]] std::size_t beyond_cores() const noexcept {
    return width() > available_cores() ? width() - available_cores() : 0;
  }

 private:
  class pool {
   public:
    explicit pool(std::size_t n) : shares_(n), useful_(available_cores() - 1) {
      if (n == 0 || n > 4096)
        throw_error({"bert::execution::threads", "1 to 4096 threads", std::to_string(n), "give the number of cores to use"});
      workers_.reserve(n - 1);
      awake_.store(n - 1, std::memory_order_relaxed);
      const auto start = [&] {
        for (std::size_t t = 1; t < n; ++t) workers_.emplace_back([this, t] { work(t); });
      };
#if BERT_EXCEPTIONS
      try {
        start();
      } catch (const std::exception& e) {
        const std::size_t started = workers_.size() + 1;
        join();
        throw_error({"bert::execution::threads", cat(n, " threads"), cat(started, ", then: ", e.what()),
                     "give fewer threads, or raise the limits of processes and address space"});
      }
#else
      start();
#endif
    }
    pool(const pool&) = delete;
    pool& operator=(const pool&) = delete;
    ~pool() { join(); }

    [[nodiscard]] std::size_t width() const noexcept { return workers_.size() + 1; }

    void run(std::size_t count, void (*call)(void*, std::size_t), void* body) {
      // A flag, not a mutex: a body may call `run` again on the thread that holds it.
      if (workers_.empty() || count < 2 || count > most || busy_.test_and_set(std::memory_order_acquire)) {
        for (std::size_t i = 0; i < count; ++i) call(body, i);
        return;
      }
      call_ = call;
      body_ = body;
      count_ = count;
      ++number_;
      // Sequentially consistent with awake_: a worker is counted there, or sees the open round. Only this thread writes a
      // closed word.
      word_.store(((word_.load(std::memory_order_relaxed) & ~mask) + one_round) | open);
      const std::size_t wanted = std::min(useful_, workers_.size());
      for (std::size_t awake = awake_.load(); awake < wanted; ++awake) word_.notify_one();
      claim(0);
      // A worker that arrives now finds the round closed; one that arrived before is counted in the word, and waited for.
      std::uint32_t inside = word_.fetch_and(~open, std::memory_order_acq_rel) & inside_mask;
      for (int spins = 0; inside != 0; inside = word_.load(std::memory_order_acquire) & inside_mask) {
        if (spins++ < spin_limit) pause();
        else std::this_thread::yield();
      }
      busy_.clear(std::memory_order_release);
    }

   private:
    // About 50 µs of `pause` at 20 to 45 cycles each.
    static constexpr int spin_limit = 4000;
    // A share counts in 32 bits. A loop with more iterations, which no kernel has, runs on the caller's thread.
    static constexpr std::size_t most = 0xFFFFFFFFu;

    static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }

    // The upper half of a share's word is its round, the lower half how many of its iterations are taken. The first thread of a
    // new round resets the count, so `run` need not.
    struct alignas(64) share {
      std::atomic<std::uint64_t> taken{0};
    };

    /// Runs the next iteration of share `t`; false if none is left.
    bool run_one(std::size_t t, std::uint64_t round) noexcept {
      const std::size_t n = shares_.size(), first = count_ * t / n, size = count_ * (t + 1) / n - first;
      std::uint64_t seen = shares_[t].taken.load(std::memory_order_relaxed), next = 0;
      do {
        next = seen >> 32 == round ? seen & 0xFFFFFFFFu : 0;
        if (next >= size) return false;
      } while (!shares_[t].taken.compare_exchange_weak(seen, round << 32 | (next + 1), std::memory_order_relaxed));
      call_(body_, first + next);
      return true;
    }

    void claim(std::size_t own) noexcept {
      for (std::size_t i = 0, n = shares_.size(); i < n; ++i)
        while (run_one(own + i < n ? own + i : own + i - n, number_)) {
        }
    }

    [[nodiscard]] static bool is_new(std::uint32_t word, std::uint32_t seen) noexcept {
      return (word & open) != 0 && (word & ~mask) != seen;
    }

    /// Waits for an open round other than `seen`, or for `stop_`; returns the word as it was then. Workers in excess of the
    /// cores do not spin.
    std::uint32_t next_round(std::uint32_t seen) noexcept {
      std::uint32_t now = word_.load(std::memory_order_acquire);
      for (int spins = 0; !is_new(now, seen) && spins < spin_limit; ++spins) {
        if (awake_.load(std::memory_order_relaxed) > useful_) break;
        pause();
        now = word_.load(std::memory_order_acquire);
      }
      while (!is_new(now, seen) && !stop_.load(std::memory_order_relaxed)) {
        awake_.fetch_sub(1);
        word_.wait(now);
        awake_.fetch_add(1);
        now = word_.load(std::memory_order_acquire);
      }
      return now;
    }

    void work(std::size_t own) noexcept {
      for (std::uint32_t seen = ~mask;;) {
        std::uint32_t word = next_round(seen);
        if (stop_.load(std::memory_order_relaxed)) return;
        // Enters only while the round is open; retries when another worker enters or leaves.
        while (is_new(word, seen) && !word_.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel)) {
        }
        if (!is_new(word, seen)) continue;
        seen = word & ~mask;
        claim(own);
        word_.fetch_sub(1, std::memory_order_release);
      }
    }

    void join() noexcept {
      stop_.store(true, std::memory_order_relaxed);
      word_.fetch_add(one_round, std::memory_order_release);
      word_.notify_all();
      for (auto& worker : workers_) worker.join();
    }

    std::atomic_flag busy_;
    void (*call_)(void*, std::size_t) = nullptr;
    void* body_ = nullptr;
    std::size_t count_ = 0;
    std::vector<share> shares_;
    std::size_t useful_;        ///< workers for which there is a core, besides the caller's
    std::uint32_t number_ = 0;  ///< the current round, for the shares
    // All that a worker reads is in one word, so that one cache line travels between cores: how many workers are inside the
    // round (12 bits, hence 4096 threads at most), whether it is open, and its number, which may wrap. It has 32 bits, so that
    // notify_one wakes one worker.
    static constexpr std::uint32_t inside_mask = 0xFFF, open = 0x1000, mask = inside_mask | open, one_round = 0x2000;
    alignas(64) std::atomic<std::uint32_t> word_{0};
    alignas(64) std::atomic<std::size_t> awake_{0};  ///< workers that are not asleep
    std::atomic<bool> stop_{false};
    std::vector<std::thread> workers_;
  };

  std::shared_ptr<pool> pool_;
};

}  // namespace execution
}  // namespace bert

#endif  // BERT_CORE_EXECUTION_HPP
