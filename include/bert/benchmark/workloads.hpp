// What benchmarks run: random batches, a batch of pretraining examples, and the peak that a precision can reach.
// Layer: benchmark. Test: tests/benchmark/benchmark_test.cpp
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bert/benchmark/peaks.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/layers/precision_split.hpp"
#include "bert/model/frozen.hpp"
#include "bert/tensor/token_batch.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::benchmark {

/// `sequences` sequences of `tokens` random ids below `vocab`.
[[nodiscard]] inline token_batch random_batch(std::size_t sequences, std::size_t tokens, int vocab) {
  token_batch batch;
  std::vector<token_id> ids(tokens);
  for (std::size_t s = 0; s < sequences; ++s) {
    random_stream random(1, draw::user, s);
    for (auto& id : ids) id = static_cast<token_id>(random.below(static_cast<std::uint32_t>(vocab)));
    batch.add(ids);
  }
  return batch;
}

/// A batch source of one random batch, again and again, with what masked LM and next-sentence prediction need.
class pretraining_batch {
 public:
  pretraining_batch(std::size_t sequences, std::size_t tokens, int vocab) {
    batch_.tokens = random_batch(sequences, tokens, vocab);
    for (std::size_t s = 0; s < sequences; ++s) {
      batch_.labels.push_back(static_cast<std::int32_t>(s % 2));
      batch_.keys.push_back(s);
    }
    batch_.parts.assign(batch_.tokens.tokens(), word_part::begins);
    batch_.vocabulary = {.mask = static_cast<token_id>(vocab / 2), .size = vocab};
  }
  [[nodiscard]] const token_batch& tokens() const noexcept { return batch_.tokens; }
  [[nodiscard]] batch_shape capacity() const { return batch_.tokens.shape(); }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return 1; }
  void load(std::uint64_t, training_batch& out) const { out = batch_; }

 private:
  training_batch batch_;
};

/// The peak of products in precision P, in operations per second of `run.width()` threads together.
template <class P>
[[nodiscard]] double peak_of(const threads& run) {
  if constexpr (std::same_as<P, precision::bf16>) return peak_bf16_flops(run);
  else if constexpr (std::same_as<P, precision::int8>) return peak_int8_ops(run);
  else if constexpr (std::same_as<P, precision::bf16x3>) return P::by_tiles() ? peak_bf16_flops(run) / 3 : peak_flops(run);
  else if constexpr (std::same_as<P, precision::bf16x6>) return P::by_tiles() ? peak_bf16_flops(run) / 6 : peak_flops(run);
  else return peak_flops(run);
}

/// "" for f32, else "/bf16" and so on: how the names of rows end. A precision of your own gives `name`.
template <class P>
[[nodiscard]] std::string suffix_of() {
  if constexpr (std::same_as<P, precision::f32>) return "";
  else if constexpr (std::same_as<P, precision::bf16>) return "/bf16";
  else if constexpr (std::same_as<P, precision::int8>) return "/int8";
  else if constexpr (std::same_as<P, precision::bf16x3>) return "/bf16x3";
  else if constexpr (std::same_as<P, precision::bf16x6>) return "/bf16x6";
  else if constexpr (requires { std::string(P::name); }) return "/" + std::string(P::name);
  else return "/own";
}

}  // namespace bert::benchmark
