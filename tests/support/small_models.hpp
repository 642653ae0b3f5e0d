// A pocket model and a source of made-up batches for tests.
#pragma once

#include <cstdint>
#include <vector>

#include "bert/heads/classify.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/model/session.hpp"
#include "bert/tensor/training_batch.hpp"

namespace support {

struct pocket : bert::architecture_of<bert::dims{
                    .vocab = 131, .hidden = 40, .layers = 2, .heads = 5, .intermediate = 56, .positions = 64}> {};
struct mood : bert::labels::one_of<"bad", "good"> {};

/// Sequence `number` of a family: `length` ids from 5 up.
[[nodiscard]] inline std::vector<bert::token_id> ids(std::size_t number, std::size_t length, int vocab = pocket::vocab) {
  bert::random_stream random(7, bert::draw::user, number);
  std::vector<bert::token_id> out(length);
  for (auto& id : out) id = 5 + static_cast<bert::token_id>(random.below(static_cast<std::uint32_t>(vocab - 5)));
  return out;
}

/// Batches of `sequences` sequences of different lengths; the label says whether the first id is even.
struct made_up_source {
  std::size_t sequences = 4, longest = 24;
  std::uint64_t batches = 6;

  [[nodiscard]] bert::batch_shape capacity() const {
    return {.sequences = sequences, .tokens = sequences * longest, .longest = longest};
  }
  [[nodiscard]] std::uint64_t batches_per_epoch() const { return batches; }
  void load(std::uint64_t step, bert::training_batch& out) const {
    out.clear();
    out.epoch = step / batches;
    out.vocabulary = {.mask = 4, .size = pocket::vocab};
    for (std::size_t s = 0; s < sequences; ++s) {
      const std::uint64_t key = step % batches * sequences + s;
      bert::random_stream random(3, bert::draw::user, key);
      buffer.resize(3 + random.below(static_cast<std::uint32_t>(longest) - 2));
      for (auto& id : buffer) id = 5 + static_cast<bert::token_id>(random.below(pocket::vocab - 5));
      out.tokens.add(buffer);
      out.labels.push_back(buffer[0] % 2);
      out.keys.push_back(key);
      for (std::size_t i = 0; i < buffer.size(); ++i)
        out.parts.push_back(i == 0 ? bert::word_part::special : bert::word_part::begins);
    }
  }
  mutable std::vector<bert::token_id> buffer = {};
};

}  // namespace support
