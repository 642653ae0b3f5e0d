// A reduction that sums gradients on a thread of its own, while the backward pass computes those of lower layers.
// Layer: distributed. Test: tests/unit/distributed/background_test.cpp, tests/distributed/mpi_test.cpp
#ifndef BERT_DISTRIBUTED_BACKGROUND_HPP
#define BERT_DISTRIBUTED_BACKGROUND_HPP

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/training/reduction.hpp"

namespace bert::inline BERT_ISA::distributed {

/// Seconds that replicas spent on sums: all of them, and those that the trainer waited for.
struct exchange_times {
  double all = 0, exposed = 0;
};

/// Whether sums go on during the backward pass, or begin after it: the same bits, to measure what the overlap spares.
enum class overlap : std::uint8_t { on, off };

/// `R`, whose sums go on in the background: a trainer gives it the gradients of heads and layers as they are complete.
///
///     bert::trainer trainer{model, objective, optimizer, schedule, {.leaves = 16}, bert::distributed::background{ranks}};
///
/// The bits are R's. R's `add` is called on a thread of this object, one call at a time, never at the same time as another
/// member of R; of one that throws, `finish` throws the exception. Copies share the thread.
template <training::reduction R>
class background {
 public:
  explicit background(R replicas, overlap when = overlap::on)
      : replicas_(std::move(replicas)), work_(std::make_shared<work>(replicas_, when)) {}

  [[nodiscard]] std::size_t rank() const { return replicas_.rank(); }
  [[nodiscard]] std::size_t size() const { return replicas_.size(); }
  void gather(std::span<const std::uint64_t> mine, std::span<std::uint64_t> all) const { replicas_.gather(mine, all); }
  void add(std::span<float> values) const {
    begin(values);
    finish();
  }
  void begin(std::span<float> values) const {
    if (size() > 1) work_->push(values);
  }
  void finish() const {
    if (size() > 1) work_->wait();
  }
  /// Since the object was made; not while sums are in the background.
  [[nodiscard]] exchange_times times() const noexcept { return work_->times; }

 private:
  using clock = std::chrono::steady_clock;

  struct work {
    work(const R& r, overlap when) : replicas(r) {
      if (replicas.size() > 1 && when == overlap::on) thread = std::thread([this] { run(); });
    }
    work(const work&) = delete;
    work& operator=(const work&) = delete;
    ~work() {
      {
        const std::lock_guard lock(mutex);
        ends = true;
      }
      changed.notify_all();
      if (thread.joinable()) thread.join();
    }

    void push(std::span<float> values) {
      {
        const std::lock_guard lock(mutex);
        queue.push_back(values);
      }
      changed.notify_all();
    }
    void wait() {
      const auto start = clock::now();
      if (!thread.joinable()) {
        for (; !queue.empty(); queue.pop_front()) replicas.add(queue.front());
        times.exposed = times.all += std::chrono::duration<double>(clock::now() - start).count();
        return;
      }
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return queue.empty() || failure != nullptr; });
      times.exposed += std::chrono::duration<double>(clock::now() - start).count();
      if (failure != nullptr) {
        queue.clear();
        std::rethrow_exception(std::exchange(failure, nullptr));
      }
    }
    // The entry at the front stays in the queue until it is summed.
    void run() {
      for (std::unique_lock lock(mutex);;) {
        changed.wait(lock, [&] { return ends || (!queue.empty() && failure == nullptr); });
        if (ends) return;
        const std::span<float> values = queue.front();
        lock.unlock();
        const auto start = clock::now();
        std::exception_ptr thrown;
        BERT_TRY { replicas.add(values); }
        BERT_CATCH(...) { thrown = std::current_exception(); }
        lock.lock();
        times.all += std::chrono::duration<double>(clock::now() - start).count();
        if (thrown != nullptr) failure = thrown;
        else queue.pop_front();
        changed.notify_all();
      }
    }

    R replicas;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::span<float>> queue;
    std::exception_ptr failure;
    bool ends = false;
    exchange_times times;
    std::thread thread;  // last: it uses the others
  };

  R replicas_;
  std::shared_ptr<work> work_;
};

}  // namespace bert::distributed

#endif  // BERT_DISTRIBUTED_BACKGROUND_HPP
