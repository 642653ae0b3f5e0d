// The parts of a block of gradients in the order in which a backward pass completes them, to be summed while it goes on.
// Layer: training. Test: tests/unit/training/buckets_test.cpp
// Paper: Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training".
#ifndef BERT_TRAINING_BUCKETS_HPP
#define BERT_TRAINING_BUCKETS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/layers/parameter.hpp"
#include "bert/model/model.hpp"
#include "bert/training/groups.hpp"
#include "bert/training/reduction.hpp"

namespace bert::inline BERT_ISA::training {

/// Gradients [offset, offset + size) of the block, complete when the backward pass comes to layer `before`.
struct gradient_bucket {
  static constexpr int at_end = -1;  ///< complete after the whole backward pass

  int before = at_end;
  std::size_t offset = 0, size = 0;
  friend bool operator==(const gradient_bucket&, const gradient_bucket&) = default;
};

/// All trained gradients as buckets, in the order of their completion: heads and pooler, the layers from the last to the first,
/// the embeddings. A bucket of less than `least` floats is joined to the next if that lies beside it. `tied` floats behind
/// the block are heads' separate gradient of the token embeddings, complete with the heads.
template <class A, std::size_t N>
[[nodiscard]] std::vector<gradient_bucket> buckets_of(const std::array<parameter, N>& table, const gradient_layout<N>& layout,
                                                      std::size_t tied, std::size_t least = std::size_t{1} << 18) {
  constexpr std::size_t padding = 16;  // floats between tensors at most
  std::vector<gradient_bucket> each;
  for (std::size_t i = 0; i < N; ++i)
    if (layout.offsets[i] != not_trained) {
      const parameter& p = table[i];
      const int before = p.module == module_kind::embeddings ? gradient_bucket::at_end
                         : p.module == module_kind::layer    ? p.layer - 1
                                                             : A::layers - 1;
      each.push_back({before, layout.offsets[i], p.count()});
    }
  if (tied != 0) each.push_back({A::layers - 1, layout.size, tied});
  std::sort(each.begin(), each.end(), [](const gradient_bucket& a, const gradient_bucket& b) {
    return a.before != b.before ? a.before > b.before : a.offset < b.offset;
  });
  std::vector<gradient_bucket> out;
  const auto beside = [&](std::size_t end, std::size_t start) { return end <= start && start - end < padding; };
  for (const gradient_bucket& b : each) {
    if (!out.empty()) {
      gradient_bucket& last = out.back();
      const bool after = beside(last.offset + last.size, b.offset), ahead = beside(b.offset + b.size, last.offset);
      if ((after || ahead) && (b.before == last.before || last.size < least)) {
        const std::size_t end = std::max(last.offset + last.size, b.offset + b.size), start = std::min(last.offset, b.offset);
        last = {b.before, start, end - start};
        continue;
      }
    }
    out.push_back(b);
  }
  return out;
}

/// The buckets of a trainer, and how many of a batch's have begun to be summed.
class begun_buckets {
 public:
  begun_buckets() = default;
  explicit begun_buckets(std::vector<gradient_bucket> all) : all_(std::move(all)) {}

  /// Begins a batch.
  void reset() noexcept { begun_ = 0; }
  /// Begins the sums over replicas of what is complete when the backward pass comes to `layer`.
  template <background_reduction R>
  void begin(const R& replicas, std::span<float> gradients, int layer) {
    for (; begun_ < all_.size() && all_[begun_].before >= layer; ++begun_)
      replicas.begin(gradients.subspan(all_[begun_].offset, all_[begun_].size));
  }
  /// Begins what has not begun and waits for all.
  template <background_reduction R>
  void finish(const R& replicas, std::span<float> gradients) {
    begin(replicas, gradients, gradient_bucket::at_end);
    replicas.finish();
  }

 private:
  std::vector<gradient_bucket> all_;
  std::size_t begun_ = 0;
};

}  // namespace bert::training

#endif  // BERT_TRAINING_BUCKETS_HPP
