// The concept `tokenizing`: what the data layer needs of a tokenizer.
// Layer: data. Test: tests/unit/data/token_store_test.cpp
#ifndef BERT_DATA_TOKENIZING_HPP
#define BERT_DATA_TOKENIZING_HPP

#include <concepts>
#include <cstddef>
#include <string_view>
#include <vector>

#include "bert/core/isa.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::data {

/// `append_ids` appends the ids of `text`, without [CLS] and [SEP], and each id's word_part. Several threads may call it at
/// once.
template <class T>
concept tokenizing = requires(const T& t, std::string_view text, std::vector<token_id>& ids, std::vector<word_part>* parts) {
  t.append_ids(text, ids, parts);
  { t.cls_id() } -> std::convertible_to<token_id>;
  { t.sep_id() } -> std::convertible_to<token_id>;
  { t.mask_id() } -> std::convertible_to<token_id>;
  { t.vocabulary().size() } -> std::convertible_to<std::size_t>;
};

}  // namespace bert::data

#endif  // BERT_DATA_TOKENIZING_HPP
