// A random share of a set, and the rest.
// Layer: data. Test: tests/unit/data/labeled_set_test.cpp, tests/unit/data/pairs_test.cpp
#ifndef BERT_DATA_SPLIT_HPP
#define BERT_DATA_SPLIT_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/random.hpp"
#include "bert/data/permutation.hpp"

namespace bert::inline BERT_ISA::data {

struct split_options {
  std::uint64_t seed = 0;
};

/// A random `share` of `all`, rounded, and the rest, each in ascending order. Throws bert::error, from `where`, unless each has
/// at least one; `what` names them in the message.
[[nodiscard]] inline std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> split_at_random(
    std::span<const std::uint32_t> all, float share, const split_options& options, const char* where, const char* what) {
  const auto size = static_cast<double>(all.size()), wanted = std::round(static_cast<double>(share) * size);
  if (!(wanted >= 1 && wanted <= size - 1))
    throw_error({where, cat("a share that leaves both parts some of ", all.size(), ' ', what), cat(share), {}});
  const auto count = static_cast<std::size_t>(wanted);
  const permutation order(all.size(), random_stream(options.seed, draw::splitting));
  std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> out;
  out.first.reserve(count);
  out.second.reserve(all.size() - count);
  for (std::size_t i = 0; i < all.size(); ++i)
    (i < count ? out.first : out.second).push_back(all[static_cast<std::size_t>(order(i))]);
  std::sort(out.first.begin(), out.first.end());
  std::sort(out.second.begin(), out.second.end());
  return out;
}

}  // namespace bert::data

#endif  // BERT_DATA_SPLIT_HPP
