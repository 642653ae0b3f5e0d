// Batches of several sources, each batch from one of them: the tasks of a multi-task training.
// Layer: data. Test: tests/unit/data/mixed_test.cpp. Paper: Liu et al. 2019, "Multi-task deep neural networks".
#ifndef BERT_DATA_MIXED_HPP
#define BERT_DATA_MIXED_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/data/permutation.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::data {

/// `alternating`: one batch of each source in turn; an epoch is one of the source of most batches, and the others begin anew.
/// `proportional`: an epoch has every batch of every source once, in a random order.
enum class mixing : std::uint8_t { alternating, proportional };

struct mixed_options {
  data::mixing mixing = data::mixing::alternating;
  std::uint64_t seed = 0;  ///< of the order of `proportional`
};

/// A batch_source whose batches are those of several sources; `task` of a batch is the number of its source, `epoch` that of
/// the source.
///
///     const bert::data::mixed both{{.mixing = bert::data::mixing::proportional}, topics.batches(16), sentences.batches(16)};
///
/// objectives::alternate trains another objective on each.
template <batch_source... Sources>
class mixed {
  template <class Source>
  struct targets_of_source {
    using type = undeclared_targets;
  };
  template <class Source>
  requires requires { typename Source::targets; }
  struct targets_of_source<Source> {
    using type = typename Source::targets;
  };

 public:
  using task_targets = target_list<typename targets_of_source<Sources>::type...>;

  explicit mixed(const mixed_options& options, Sources... sources) : options_(options), sources_(std::move(sources)...) {
    std::size_t i = 0;
    std::apply([&](const auto&... source) { ((batches_[i++] = source.batches_per_epoch()), ...); }, sources_);
  }
  explicit mixed(Sources... sources) : mixed(mixed_options{}, std::move(sources)...) {}

  [[nodiscard]] batch_shape capacity() const {
    batch_shape most = std::get<0>(sources_).capacity();
    const auto include = [&](const batch_shape& s) {
      most.sequences = std::max(most.sequences, s.sequences);
      most.tokens = std::max(most.tokens, s.tokens);
      most.scored = std::max(most.scored, s.scored);
      most.longest = std::max(most.longest, s.longest);
    };
    std::apply([&](const auto&... source) { (include(source.capacity()), ...); }, sources_);
    return most;
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const noexcept {
    if (options_.mixing == mixing::alternating) return batches_.size() * *std::max_element(batches_.begin(), batches_.end());
    std::uint64_t sum = 0;
    for (const auto n : batches_) sum += n;
    return sum;
  }
  /// The sources' facts, each after its number, and the order.
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts{{"mixing", options_.mixing == mixing::alternating ? "alternating" : "proportional"}};
    if (options_.mixing == mixing::proportional) facts.emplace_back("seed of the mixing", std::to_string(options_.seed));
    std::size_t i = 0;
    const auto add = [&](const auto& source) {
      for (auto& [name, value] : fingerprint_of(source)) facts.emplace_back(cat("task ", i, ", ", name), std::move(value));
      ++i;
    };
    std::apply([&](const auto&... source) { (add(source), ...); }, sources_);
    return facts;
  }

  void load(std::uint64_t step, training_batch& out) const {
    const auto at = place(step);  // not as a structured binding, which clang 14 does not capture
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((I == at.first ? std::get<I>(sources_).load(at.second, out) : void()), ...);
    }
    (std::index_sequence_for<Sources...>{});
    out.task = at.first;
  }

 private:
  /// The source of a step, and the source's own step.
  [[nodiscard]] std::pair<std::size_t, std::uint64_t> place(std::uint64_t step) const {
    if (options_.mixing == mixing::alternating)
      return {static_cast<std::size_t>(step % batches_.size()), step / batches_.size()};
    const std::uint64_t all = batches_per_epoch(), epoch = step / all;
    const permutation order(static_cast<std::size_t>(all), random_stream(options_.seed, draw::shuffling, epoch, 1));
    std::uint64_t at = order(static_cast<std::size_t>(step % all));
    std::size_t task = 0;
    for (; at >= batches_[task]; ++task) at -= batches_[task];
    return {task, epoch * batches_[task] + at};
  }

  mixed_options options_;
  std::tuple<Sources...> sources_;
  std::array<std::uint64_t, sizeof...(Sources)> batches_{};
};

template <batch_source... Sources>
mixed(mixed_options, Sources...) -> mixed<Sources...>;
template <batch_source... Sources>
mixed(Sources...) -> mixed<Sources...>;

}  // namespace bert::data

#endif  // BERT_DATA_MIXED_HPP
