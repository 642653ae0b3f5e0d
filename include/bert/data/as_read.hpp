// What a reader of labeled texts does with each example: takes it as it is.
// Layer: data. Test: tests/unit/data/augmenting_test.cpp
#ifndef BERT_DATA_AS_READ_HPP
#define BERT_DATA_AS_READ_HPP

#include <cstdint>
#include <span>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::data {

/// Takes each example as it is: calls add(text, second), or add(words, tags).
struct as_read {
  template <class Add>
  void operator()(std::string_view text, std::string_view second, const Add& add) const {
    add(text, second);
  }
  template <class Labels, class Add>
  void operator()(const Labels&, std::span<const std::string_view> words, std::span<const std::int32_t> tags,
                  const Add& add) const {
    add(words, tags);
  }
};

}  // namespace bert::data

#endif  // BERT_DATA_AS_READ_HPP
