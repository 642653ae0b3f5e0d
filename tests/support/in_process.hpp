// docs/architecture.md, "Guides": a reduction. Replicas are threads of one process; own_reduction_test.cpp trains with them.
#pragma once

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "bert/training/reduction.hpp"

namespace support {

// The replicas' shared memory: a pointer to each one's values, and a barrier.
struct meeting {
  explicit meeting(std::size_t n) : numbers(n), values(n), all_here(static_cast<std::ptrdiff_t>(n)) {}
  std::vector<std::span<const std::uint64_t>> numbers;
  std::vector<std::span<float>> values;
  std::barrier<> all_here;
};

// The policy: a small value that is copied into the trainer.
class in_process {
 public:
  in_process(std::shared_ptr<meeting> m, std::size_t rank) : meeting_(std::move(m)), rank_(rank) {}

  [[nodiscard]] std::size_t rank() const noexcept { return rank_; }
  [[nodiscard]] std::size_t size() const noexcept { return meeting_->values.size(); }

  // all[r] <- the values of replica r.
  void gather(std::span<const std::uint64_t> mine, std::span<std::uint64_t> all) const {
    meeting_->numbers[rank_] = mine;
    meeting_->all_here.arrive_and_wait();
    for (std::size_t r = 0; r < size(); ++r)
      std::copy(meeting_->numbers[r].begin(), meeting_->numbers[r].end(),
                all.begin() + static_cast<std::ptrdiff_t>(r * mine.size()));
    meeting_->all_here.arrive_and_wait();  // no replica's values are freed while another reads them
  }

  // values <- ((r0 + r1) + (r2 + r3)) + …: this order gives the bits of one replica.
  void add(std::span<float> values) const {
    meeting_->values[rank_] = values;
    for (std::size_t apart = 1; apart < size(); apart *= 2) {
      meeting_->all_here.arrive_and_wait();
      if (rank_ % (2 * apart) != 0) continue;
      const std::span<const float> other = meeting_->values[rank_ + apart];
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += other[i];
    }
    meeting_->all_here.arrive_and_wait();
    if (rank_ != 0) std::copy(meeting_->values[0].begin(), meeting_->values[0].end(), values.begin());
    meeting_->all_here.arrive_and_wait();
  }

 private:
  std::shared_ptr<meeting> meeting_;
  std::size_t rank_;
};
static_assert(bert::training::reduction<in_process>);

// Calls body(reduction) in as many threads as there are replicas, one a thread, and returns when all have ended.
template <class Body>
void in_replicas(std::size_t replicas, const Body& body) {
  const auto shared = std::make_shared<meeting>(replicas);
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < replicas; ++r) threads.emplace_back([&, r] { body(in_process(shared, r)); });
  for (auto& thread : threads) thread.join();
}

}  // namespace support
