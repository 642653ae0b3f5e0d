// What a head of one row a sequence reads of the encoder: the pooler, the first token, or the mean of the tokens.
// Layer: heads. Test: tests/unit/heads/reads_test.cpp
#ifndef BERT_HEADS_READS_HPP
#define BERT_HEADS_READS_HPP

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "bert/core/isa.hpp"
#include "bert/kernels/rows/sequence_mean.hpp"
#include "bert/model/tape.hpp"

namespace bert::inline BERT_ISA::heads::reads {

/// x[s,:] = tanh(W hidden[start_s,:] + b), the pooler's output: BertForSequenceClassification.
///
/// A reading has the flags of a head, `pooling`, its name in config.json ("classifier_pooling"; empty: the pooler), `read`,
/// which returns x [S, H], in `memory` if that is a copy, and `add_gradient`, which adds the gradient by x to that of what was
/// read.
struct pooler {
  static constexpr bool reads_pooler = true, reads_all_rows = false, copies = false;
  static constexpr std::string_view pooling = {};

  template <executor E>
  [[nodiscard]] static matrix<const float> read(const E&, const encoded& in, matrix<float>) noexcept {
    return in.pooled;
  }
  template <executor E>
  static void add_gradient(const E& e, const encoded&, matrix<const float> d, matrix<float>, matrix<float> d_pooled) noexcept {
    kernels::add_in_place(e, d, d_pooled);
  }
};

/// x[s,:] = hidden[start_s,:], the last layer's output for [CLS].
struct first_token {
  static constexpr bool reads_pooler = false, reads_all_rows = false, copies = true;
  static constexpr std::string_view pooling = "cls";

  template <executor E>
  [[nodiscard]] static matrix<const float> read(const E&, const encoded& in, matrix<float> memory) noexcept {
    for (std::size_t s = 0; s < memory.rows; ++s) std::copy_n(in.hidden.row(in.batch.starts()[s]), memory.cols, memory.row(s));
    return memory;
  }
  template <executor E>
  static void add_gradient(const E& e, const encoded& in, matrix<const float> d, matrix<float> d_hidden,
                           matrix<float>) noexcept {
    for (std::size_t s = 0; s < d.rows; ++s) kernels::add_in_place(e, d.block(s, 1), d_hidden.block(in.batch.starts()[s], 1));
  }
};

/// x[s,:] = the mean of hidden over the tokens of s, [CLS] and [SEP] included.
struct mean {
  static constexpr bool reads_pooler = false, reads_all_rows = true, copies = true;
  static constexpr std::string_view pooling = "mean";

  template <executor E>
  [[nodiscard]] static matrix<const float> read(const E& e, const encoded& in, matrix<float> memory) noexcept {
    kernels::sequence_mean(e, in.batch.starts(), in.hidden, memory);
    return memory;
  }
  template <executor E>
  static void add_gradient(const E& e, const encoded& in, matrix<const float> d, matrix<float> d_hidden,
                           matrix<float>) noexcept {
    kernels::sequence_mean_backward(e, in.batch.starts(), d, d_hidden);
  }
};

}  // namespace bert::heads::reads

#endif  // BERT_HEADS_READS_HPP
