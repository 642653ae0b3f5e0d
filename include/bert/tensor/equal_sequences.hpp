// Numbers sequences of tokens so that equal ones have equal numbers.
// Layer: tensor. Test: tests/unit/tensor/equal_sequences_test.cpp
#ifndef BERT_TENSOR_EQUAL_SEQUENCES_HPP
#define BERT_TENSOR_EQUAL_SEQUENCES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bert/core/isa.hpp"
#include "bert/tensor/token_batch.hpp"

namespace bert::inline BERT_ISA {

/// numbers[s] = numbers[t] exactly if sequence(s) and sequence(t), spans of token ids, are equal. Returns how many different
/// ones there are; numbers lie below that. `order` is scratch; both have one element a sequence. Never allocates.
template <class Sequence>
std::size_t number_equal_sequences(const Sequence& sequence, std::span<std::uint32_t> order, std::span<std::uint32_t> numbers) {
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  const auto compare = [&](std::uint32_t a, std::uint32_t b) {
    const std::span<const token_id> x = sequence(a), y = sequence(b);
    if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
    const auto [i, j] = std::mismatch(x.begin(), x.end(), y.begin());
    return i == x.end() ? 0 : *i < *j ? -1 : 1;
  };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int c = compare(a, b);
    return c != 0 ? c < 0 : a < b;
  });
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i != 0 && compare(order[i - 1], order[i]) != 0) ++next;
    numbers[order[i]] = next;
  }
  return order.empty() ? 0 : std::size_t{next} + 1;
}

}  // namespace bert

#endif  // BERT_TENSOR_EQUAL_SEQUENCES_HPP
