// The likeliest path of a CRF (Viterbi), and the k likeliest.
// Layer: kernels. Test: tests/unit/kernels/loss/viterbi_test.cpp
// Papers: Viterbi 1967; Schwartz and Chow 1990, "The N-best algorithm".
#ifndef BERT_KERNELS_LOSS_VITERBI_HPP
#define BERT_KERNELS_LOSS_VITERBI_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/loss/crf.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// Floats of scratch that `viterbi` needs.
[[nodiscard]] constexpr std::size_t viterbi_scratch(std::size_t tags, std::size_t words, std::size_t chains) noexcept {
  return (tags + 3) * crf_width(tags) + words * crf_width(tags) + chains * 2 * crf_width(tags);
}

namespace detail {

/// A CRF's weights in rows of `width`: log 0 for what is not allowed, and past L.
struct viterbi_tables {
  std::size_t tags, width;
  float *transitions, *start, *end, *padding;

  viterbi_tables(const crf& c, float* memory) noexcept
      : tags(c.tags),
        width(crf_width(c.tags)),
        transitions(memory),
        start(transitions + tags * width),
        end(start + width),
        padding(end + width) {
    constexpr float log_0 = -std::numeric_limits<float>::infinity();
    std::fill_n(memory, (tags + 3) * width, log_0);
    for (std::size_t i = 0; i < tags; ++i) {
      if (c.starts(i)) start[i] = c.start[i];
      if (c.ends(i)) end[i] = c.end[i];
      padding[i] = 0;
      for (std::size_t j = 0; j < tags; ++j)
        if (c.follows(i, j)) transitions[i * width + j] = c.transition(i, j);
    }
  }
};

}  // namespace detail

/// path of s = argmax_y score(y) over the allowed paths of sequence s; of equal ones, the one of the lower tag where they part
/// last
///
/// `x` [N, L] are the emissions. Writes `path` [W], and `found` [S]: 0 where no path is allowed, whose words all get -1.
template <executor E>
void viterbi(const E& e, const crf& c, const crf_chains& chains, matrix<const float> x, std::int32_t* path, std::int32_t* found,
             float* scratch) noexcept {
  constexpr float log_0 = -std::numeric_limits<float>::infinity();
  const detail::viterbi_tables tables(c, scratch);
  const std::size_t width = tables.width;
  float* const sources = scratch + (c.tags + 3) * width;  // of each word and tag: the tag before it on the best path, as floats
  float* const own = sources + chains.rows.size() * width;
  e.parallel_for(chains.count(), [&](std::size_t s) {
    const std::size_t first = chains.starts[s], words = chains.starts[s + 1] - first;
    found[s] = 1;
    if (words == 0) return;
    float *last = own + s * 2 * width, *now = last + width;
    for (std::size_t t = 0; t < words; ++t) {
      const float* scores = x.row(chains.rows[first + t]);
      float* from = sources + (first + t) * width;
      simd most(log_0);
      for_each_register(c.tags, [&](std::size_t j, auto extent) {
        simd best = load(tables.start + j), best_from = zero();
        if (t > 0) {
          best = simd(log_0);
          for (std::size_t i = 0; i < c.tags; ++i) {
            const simd candidate = simd(last[i]) + load(tables.transitions + i * width + j);
            const auto better = candidate > best;
            best = select(better, candidate, best);
            best_from = select(better, simd(static_cast<float>(i)), best_from);
          }
        }
        best = best + load(scores + j, extent) + load(tables.padding + j);
        store(now + j, best);
        store(from + j, best_from);
        most = max(most, best);
      });
      // Kept apart from their greatest, so that a long sequence loses no bits.
      if (const float top = maximum(most); top != log_0)
        for (std::size_t j = 0; j < width; j += lanes) store(now + j, load(now + j) - simd(top));
      std::swap(last, now);
    }
    std::size_t tag = c.tags;
    float best = log_0;
    for (std::size_t j = 0; j < c.tags; ++j)
      if (last[j] + tables.end[j] > best) best = last[j] + tables.end[j], tag = j;
    if (tag == c.tags) {
      found[s] = 0;
      std::fill_n(path + first, words, -1);
      return;
    }
    for (std::size_t t = words; t-- > 0;) {
      path[first + t] = static_cast<std::int32_t>(tag);
      tag = static_cast<std::size_t>(sources[(first + t) * width + tag]);
    }
  });
}

/// A prefix of a path: its score, its last tag's predecessor, and which of that tag's prefixes it extends.
struct ranked_prefix {
  float score = -std::numeric_limits<float>::infinity();
  std::int32_t from = -1, rank = 0;
};

/// Elements of the prefixes that `best_paths` needs for a sequence of `words`.
[[nodiscard]] constexpr std::size_t best_paths_scratch(std::size_t tags, std::size_t words, std::size_t k) noexcept {
  return words * tags * k;
}

/// The `k` paths of largest score of one sequence, largest first; those of equal score as `viterbi` orders them.
///
/// Writes `paths` [k, T] and returns how many there are: fewer than `k` if fewer are allowed. Plain loops: T L^2 k log k.
inline std::size_t best_paths(const crf& c, std::span<const std::uint32_t> rows, matrix<const float> x, std::size_t k,
                              std::int32_t* paths, ranked_prefix* prefixes) noexcept {
  constexpr float log_0 = -std::numeric_limits<float>::infinity();
  const std::size_t tags = c.tags, words = rows.size();
  if (words == 0 || k == 0) return 0;
  const auto at = [&](std::size_t t, std::size_t j) { return prefixes + (t * tags + j) * k; };
  // Inserts into the k best of `list`, behind equal ones.
  const auto insert = [&](ranked_prefix* list, const ranked_prefix& p) {
    if (!(p.score > list[k - 1].score)) return;
    std::size_t place = k - 1;
    for (; place > 0 && p.score > list[place - 1].score; --place) list[place] = list[place - 1];
    list[place] = p;
  };
  std::fill_n(prefixes, words * tags * k, ranked_prefix{});
  for (std::size_t t = 0; t < words; ++t) {
    float top = log_0;
    for (std::size_t j = 0; j < tags; ++j) {
      ranked_prefix* const list = at(t, j);
      if (t == 0 && c.starts(j)) list[0].score = c.start[j];
      for (std::size_t i = 0; t > 0 && i < tags; ++i)
        for (std::size_t r = 0; c.follows(i, j) && r < k && at(t - 1, i)[r].score != log_0; ++r)
          insert(list,
                 {at(t - 1, i)[r].score + c.transition(i, j), static_cast<std::int32_t>(i), static_cast<std::int32_t>(r)});
      for (std::size_t r = 0; r < k; ++r) list[r].score += x(rows[t], j);
      top = std::max(top, list[0].score);
    }
    if (top == log_0) return 0;
    for (ranked_prefix* p = at(t, 0); p != at(t + 1, 0); ++p) p->score -= top;
  }
  std::size_t found = 0;
  const auto last = words - 1;
  for (; found < k; ++found) {
    // The next largest of the lists of the last word, each of which is sorted: those taken are at log 0.
    std::size_t tag = tags, rank = 0;
    float best = log_0;
    for (std::size_t j = 0; j < tags; ++j)
      for (std::size_t r = 0; c.ends(j) && r < k; ++r)
        if (at(last, j)[r].score + c.end[j] > best) best = at(last, j)[r].score + c.end[j], tag = j, rank = r;
    if (tag == tags) break;
    std::int32_t* const path = paths + found * words;
    ranked_prefix* const taken = at(last, tag) + rank;
    for (std::size_t t = words; t-- > 0;) {
      path[t] = static_cast<std::int32_t>(tag);
      const ranked_prefix& p = at(t, tag)[rank];
      if (t > 0) tag = static_cast<std::size_t>(p.from), rank = static_cast<std::size_t>(p.rank);
    }
    taken->score = log_0;
  }
  return found;
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_VITERBI_HPP
