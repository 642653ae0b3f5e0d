// A linear-chain CRF over tags: negative log likelihood of a path, its gradients, and the marginals of tags.
// Layer: kernels. Test: tests/unit/kernels/loss/crf_test.cpp
// Papers: Lafferty et al. 2001, "Conditional random fields"; Rabiner 1989, "A tutorial on hidden Markov models" (scaling).
#ifndef BERT_KERNELS_LOSS_CRF_HPP
#define BERT_KERNELS_LOSS_CRF_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "bert/core/execution.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/kernels/simd/f32.hpp"
#include "bert/kernels/simd/functions.hpp"
#include "bert/tensor/view.hpp"

namespace bert::inline BERT_ISA::kernels {

/// score(y) = start[y_0] + sum_t x[t,y_t] + sum_t A[y_(t-1),y_t] + end[y_(T-1)],  p(y) = exp(score(y)) / Z
///
/// Z = sum exp(score) over the allowed paths: one whose start, end or transition is not allowed is absent from every sum and
/// every maximum.
struct crf {
  std::size_t tags = 0;                ///< L
  const float* start = nullptr;        ///< [L]
  const float* end = nullptr;          ///< [L]
  const float* transitions = nullptr;  ///< A [L, L], from and to
  const float* allowed = nullptr;      ///< 1 or 0: start [L], end [L], transitions [L, L]

  [[nodiscard]] bool starts(std::size_t tag) const noexcept { return allowed[tag] != 0; }
  [[nodiscard]] bool ends(std::size_t tag) const noexcept { return allowed[tags + tag] != 0; }
  [[nodiscard]] bool follows(std::size_t from, std::size_t to) const noexcept { return allowed[(2 + from) * tags + to] != 0; }
  [[nodiscard]] float transition(std::size_t from, std::size_t to) const noexcept { return transitions[from * tags + to]; }
};

/// Sequences of words, end to end: word w in [starts[s], starts[s + 1]) is of sequence s, and its scores are row rows[w] of the
/// emissions. A sequence may be empty.
struct crf_chains {
  std::span<const std::size_t> starts;
  std::span<const std::uint32_t> rows;

  [[nodiscard]] std::size_t count() const noexcept { return starts.size() - 1; }
};

/// Floats of a row of tags in the kernels' own buffers: a whole number of registers.
[[nodiscard]] constexpr std::size_t crf_width(std::size_t tags) noexcept { return round_up(tags, lanes); }
/// Floats of a sequence's share of the gradients of start, end and transitions: that many, each row of `crf_width`.
[[nodiscard]] constexpr std::size_t crf_share(std::size_t tags) noexcept { return (tags + 2) * crf_width(tags); }

namespace detail {

/// Below this a sum of scaled probabilities may have lost terms to underflow; it is computed again by its logarithms. A term
/// that is lost is below 2^-126 (1.2e-38), so at most 1e-8 of a larger sum.
inline constexpr float least_sum = 1e-30f;

/// e^x for x <= 0, exactly 0 where x is below -87, about 2^-126.
[[nodiscard]] inline simd exp_or_zero(simd x) noexcept { return select(x < simd(-87.0f), zero(), exp(x)); }

/// log sum_i exp(term(i)) over the i in [0, n) with allowed(i), in f64; -infinity without any.
template <class Allowed, class Term>
[[nodiscard]] double log_sum(std::size_t n, const Allowed& allowed, const Term& term) noexcept {
  constexpr double none = -std::numeric_limits<double>::infinity();
  double most = none, sum = 0;
  for (std::size_t i = 0; i < n; ++i)
    if (allowed(i) && !(term(i) <= most)) most = term(i);  // a NaN, too
  if (most == none) return none;
  for (std::size_t i = 0; i < n; ++i)
    if (allowed(i)) sum += std::exp(term(i) - most);
  return most + std::log(sum);
}

/// What all sequences read: exp(A - max A), 0 where a transition is not allowed, and log 0 for a start or end that is not.
/// Columns past L hold 1 in the matrices and log 0 elsewhere.
struct crf_tables {
  std::size_t tags, width;
  float shift = 0;               ///< max A over the allowed transitions
  float *forward, *transposed;   ///< [from, to] and [to, from], rows of `width`
  float *start, *end, *padding;  ///< [width]; padding is 0 up to L

  [[nodiscard]] static constexpr std::size_t size(std::size_t tags) noexcept { return (2 * tags + 3) * crf_width(tags); }

  crf_tables(const crf& c, float* memory) noexcept
      : tags(c.tags),
        width(crf_width(c.tags)),
        forward(memory),
        transposed(forward + tags * width),
        start(transposed + tags * width),
        end(start + width),
        padding(end + width) {
    constexpr float log_0 = -std::numeric_limits<float>::infinity();
    shift = log_0;
    for (std::size_t i = 0; i < tags; ++i)
      for (std::size_t j = 0; j < tags; ++j)
        if (c.follows(i, j)) shift = std::max(shift, c.transition(i, j));
    if (shift == log_0) shift = 0;
    for (std::size_t i = 0; i < tags; ++i)
      for (std::size_t j = 0; j < width; ++j) {
        forward[i * width + j] = j >= tags ? 0.0f : c.transition(i, j) - shift;
        transposed[i * width + j] = j >= tags ? 0.0f : c.transition(j, i) - shift;
      }
    for (std::size_t k = 0; k < 2 * tags * width; k += lanes) store(forward + k, exp_or_zero(load(forward + k)));
    for (std::size_t i = 0; i < tags; ++i)
      for (std::size_t j = 0; j < tags; ++j)
        if (!c.follows(i, j)) forward[i * width + j] = transposed[j * width + i] = 0;
    for (std::size_t j = 0; j < width; ++j) {
      start[j] = j < tags && c.starts(j) ? c.start[j] : log_0;
      end[j] = j < tags && c.ends(j) ? c.end[j] : log_0;
      padding[j] = j < tags ? 0.0f : log_0;
    }
  }
};

/// One sequence of a CRF. Logarithms of forward and backward sums are kept apart from their greatest, so that they stay small
/// in a sequence of any length; sums of products of exponentials are formed from them word by word.
class crf_chain {
 public:
  /// Floats of a sequence's own buffers beside its forward sums [T, width].
  [[nodiscard]] static constexpr std::size_t size(std::size_t tags) noexcept { return 5 * crf_width(tags); }

  crf_chain(const crf& c, const crf_tables& tables, std::span<const std::uint32_t> rows, float* sums, float* own) noexcept
      : c_(c),
        t_(tables),
        rows_(rows),
        sums_(sums),
        backward_(own),
        from_(own + t_.width),
        to_(own + 2 * t_.width),
        total_(own + 3 * t_.width),
        before_(own + 4 * t_.width) {}

  /// Returns log Z, -infinity if no path is allowed. Pre: at least one word.
  [[nodiscard]] double forward(matrix<const float> x) noexcept {
    double offset = 0;
    for (std::size_t t = 0; t < rows_.size(); ++t) {
      float *now = sums_ + t * t_.width, *last = now - t_.width;
      const float* scores = x.row(rows_[t]);
      if (t > 0) {
        multiply(last, t_.forward);
        offset += static_cast<double>(t_.shift);
      }
      for_each_register(t_.tags, [&](std::size_t j, auto extent) {
        const simd before = t == 0 ? load(t_.start + j) : log(load(total_ + j)) + load(t_.padding + j);
        store(now + j, load(scores + j, extent) + before);
      });
      for (std::size_t j = 0; t > 0 && lost_ && j < t_.tags; ++j)
        if (!(total_[j] >= least_sum))
          now[j] = scores[j] + exactly([&](std::size_t i) { return c_.follows(i, j); },
                                       [&](std::size_t i) { return last[i] + c_.transition(i, j); });
      offset += static_cast<double>(normalize(now));
    }
    const float* last = sums_ + (rows_.size() - 1) * t_.width;
    return offset + log_sum(
                        t_.tags, [&](std::size_t j) { return c_.ends(j) && last[j] != log_0; },
                        [&](std::size_t j) { return static_cast<double>(last[j]) + static_cast<double>(t_.end[j]); });
  }

  /// Writes p(y_t = j) times `scale` over the emissions `x`, after `forward` of the same. With `share`, [start, end, A] in rows
  /// of `width`, adds there the expected number of starts, ends and transitions times `scale`.
  void backward(matrix<float> x, float scale, float* share) noexcept {
    std::copy_n(t_.end, t_.width, backward_);
    for (std::size_t t = rows_.size(); t-- > 0;) {
      const float* now = sums_ + t * t_.width;
      float* scores = x.row(rows_[t]);
      // p_t and the exponentials of x_t + backward_t, from which come backward_(t-1) and the transitions' share.
      simd most(log_0), greatest(log_0);
      for_each_register(t_.tags, [&](std::size_t j, auto extent) {
        const simd later = load(backward_ + j) + load(t_.padding + j), at = load(now + j) + later;
        store(before_ + j, at);
        most = max(most, at);
        const simd both = load(scores + j, extent) + later;
        store(to_ + j, both);
        greatest = max(greatest, both);
      });
      const simd top(maximum(most)), peak(maximum(greatest));
      simd sums = zero();
      for (std::size_t j = 0; j < t_.width; j += lanes) {
        const simd p = exp_or_zero(load(before_ + j) - top);
        store(before_ + j, p);
        sums += p;
        store(to_ + j, load(to_ + j) - peak);
      }
      const simd unit(scale / sum(sums));
      for_each_register(t_.tags, [&](std::size_t j, auto extent) {
        const simd p = load(before_ + j) * unit;
        store(scores + j, p, extent);
        if (share == nullptr) return;
        if (t == 0) store(share + j, load(share + j) + p);
        if (t + 1 == rows_.size()) store(share + t_.width + j, load(share + t_.width + j) + p);
      });
      if (t > 0) step_back(now - t_.width, scale, share);
    }
  }

 private:
  static constexpr float log_0 = -std::numeric_limits<float>::infinity();

  /// total[j] = sum_i exp(from[i]) table[i,j]; `lost_` tells whether a sum is so small that terms may be missing. Leaves
  /// exp(from) in `from_`.
  void multiply(const float* from, const float* table) noexcept {
    for (std::size_t i = 0; i < t_.width; i += lanes) store(from_ + i, exp_or_zero(load(from + i)));
    lost_ = false;
    for (std::size_t j = 0; j < t_.width; j += lanes) {
      simd even = zero(), odd = zero();
      std::size_t i = 0;
      for (; i + 2 <= t_.tags; i += 2) {
        even = fma(simd(from_[i]), load(table + i * t_.width + j), even);
        odd = fma(simd(from_[i + 1]), load(table + (i + 1) * t_.width + j), odd);
      }
      if (i < t_.tags) even = fma(simd(from_[i]), load(table + i * t_.width + j), even);
      const simd total = even + odd;
      store(total_ + j, total);
      lost_ = lost_ || !all(total >= simd(least_sum));  // or a NaN, which `log` would not keep
    }
  }

  /// log sum exp of the terms, less the tables' shift.
  template <class Allowed, class Term>
  [[nodiscard]] float exactly(const Allowed& allowed, const Term& term) const noexcept {
    return static_cast<float>(log_sum(
                                  t_.tags, [&](std::size_t i) { return allowed(i) && term(i) != log_0; },
                                  [&](std::size_t i) { return static_cast<double>(term(i)); }) -
                              static_cast<double>(t_.shift));
  }

  /// Subtracts the greatest and returns it; if all are log 0, does nothing and returns that.
  [[nodiscard]] float normalize(float* values) const noexcept {
    simd most(log_0);
    for (std::size_t j = 0; j < t_.width; j += lanes) most = max(most, load(values + j));
    const float top = maximum(most);
    if (top == log_0) return top;
    for (std::size_t j = 0; j < t_.width; j += lanes) store(values + j, load(values + j) - simd(top));
    return top;
  }

  /// backward_(t-1) from `to_` = x_t + backward_t, of which the greatest is 0; the share of the transitions from t - 1 to t.
  void step_back(const float* last, float scale, float* share) noexcept {
    multiply(to_, t_.transposed);  // total[i] = sum_j exp(A[i,j] + to[j])
    for (std::size_t i = 0; i < t_.width; i += lanes) store(backward_ + i, log(load(total_ + i)) + load(t_.padding + i));
    for (std::size_t i = 0; lost_ && i < t_.tags; ++i)
      if (!(total_[i] >= least_sum))
        backward_[i] = exactly([&](std::size_t j) { return c_.follows(i, j); },
                               [&](std::size_t j) { return to_[j] + c_.transition(i, j); });
    (void)normalize(backward_);
    if (share == nullptr) return;
    simd sums = zero();
    for (std::size_t i = 0; i < t_.width; i += lanes) {
      const simd p = exp_or_zero(load(last + i));
      store(before_ + i, p);
      sums = fma(p, load(total_ + i), sums);
    }
    float* edges = share + 2 * t_.width;
    const float total = sum(sums);
    if (total < least_sum) return add_exactly(last, scale, edges);
    for (std::size_t i = 0; i < t_.tags; ++i) {
      const simd weight(before_[i] * (scale / total));
      for (std::size_t j = 0; j < t_.width; j += lanes) {
        float* edge = edges + i * t_.width + j;
        store(edge, fma(weight * load(t_.forward + i * t_.width + j), load(from_ + j), load(edge)));
      }
    }
  }

  /// The share of the transitions where exponentials have underflowed, by logarithms in f64.
  void add_exactly(const float* last, float scale, float* edges) const noexcept {
    const std::size_t n = t_.tags;
    const auto term = [&](std::size_t k) {
      return static_cast<double>(last[k / n]) + static_cast<double>(c_.transition(k / n, k % n)) +
             static_cast<double>(to_[k % n]);
    };
    const auto allowed = [&](std::size_t k) { return c_.follows(k / n, k % n) && last[k / n] != log_0 && to_[k % n] != log_0; };
    const double all = log_sum(n * n, allowed, term);
    for (std::size_t k = 0; k < n * n; ++k)
      if (allowed(k)) edges[k / n * t_.width + k % n] += scale * static_cast<float>(std::exp(term(k) - all));
  }

  const crf& c_;
  const crf_tables& t_;
  std::span<const std::uint32_t> rows_;
  float* sums_;                                       ///< logarithms of the forward sums [T, width]
  float *backward_, *from_, *to_, *total_, *before_;  ///< [width]
  bool lost_ = false;
};

}  // namespace detail

/// Floats of scratch that `crf_loss` and `crf_marginals` need.
[[nodiscard]] constexpr std::size_t crf_scratch(std::size_t tags, std::size_t words, std::size_t chains) noexcept {
  return detail::crf_tables::size(tags) + words * crf_width(tags) + chains * detail::crf_chain::size(tags);
}

namespace detail {

/// Calls body(s, chain) for every sequence that is not empty.
template <executor E, class Body>
void for_each_chain(const E& e, const crf& c, const crf_chains& chains, float* scratch, const Body& body) noexcept {
  const crf_tables tables(c, scratch);
  float* const sums = scratch + crf_tables::size(c.tags);
  float* const own = sums + chains.rows.size() * tables.width;
  e.parallel_for(chains.count(), [&](std::size_t s) {
    const std::size_t first = chains.starts[s], words = chains.starts[s + 1] - first;
    if (words == 0) return;
    crf_chain chain(c, tables, chains.rows.subspan(first, words), sums + first * tables.width,
                    own + s * crf_chain::size(c.tags));
    body(s, chain);
  });
}

}  // namespace detail

/// score(y) of one sequence, in f64.
[[nodiscard]] inline double crf_score(const crf& c, matrix<const float> x, std::span<const std::uint32_t> rows,
                                      std::span<const std::int32_t> path) noexcept {
  const auto tag = [&](std::size_t t) { return static_cast<std::size_t>(path[t]); };
  double score = static_cast<double>(c.start[tag(0)]) + static_cast<double>(c.end[tag(path.size() - 1)]);
  for (std::size_t t = 0; t < path.size(); ++t) {
    score += static_cast<double>(x(rows[t], tag(t)));
    if (t > 0) score += static_cast<double>(c.transition(tag(t - 1), tag(t)));
  }
  return score;
}

/// log Z of each sequence. Writes `normalizers` [S]: 0 for an empty sequence, -infinity where no path is allowed.
template <executor E>
void crf_normalizers(const E& e, const crf& c, const crf_chains& chains, matrix<const float> x, double* normalizers,
                     float* scratch) noexcept {
  std::fill_n(normalizers, chains.count(), 0.0);
  detail::for_each_chain(e, c, chains, scratch, [&](std::size_t s, auto& chain) { normalizers[s] = chain.forward(x); });
}

/// losses[s] = log Z - score(path of s), and the gradients of sum_s scale * losses[s]
///
/// `x` [N, L] are the emissions and become their gradient in the rows of words; others are left alone. `path` [W] is an allowed
/// tag for each word. Writes `losses` [S], `shares` [S, crf_share(L)], each sequence's gradient of start, end and transitions
/// in rows of crf_width(L), and `right` [S]: whether each word's likeliest tag is that of the path. An empty sequence has loss
/// 0.
template <executor E>
void crf_loss(const E& e, const crf& c, const crf_chains& chains, matrix<float> x, std::span<const std::int32_t> path,
              double* losses, std::int32_t* right, float* shares, float scale, float* scratch) noexcept {
  const std::size_t width = crf_width(c.tags), share_size = crf_share(c.tags);
  std::fill_n(losses, chains.count(), 0.0);
  std::fill_n(right, chains.count(), 0);
  std::fill_n(shares, chains.count() * share_size, 0.0f);
  detail::for_each_chain(e, c, chains, scratch, [&](std::size_t s, auto& chain) {
    const std::size_t first = chains.starts[s], words = chains.starts[s + 1] - first;
    const auto rows = chains.rows.subspan(first, words);
    const auto tags = path.subspan(first, words);
    const double loss = chain.forward(x) - crf_score(c, x, rows, tags);
    losses[s] = loss < 0 ? 0 : loss;  // rounding; a NaN stays one
    float* const share = shares + s * share_size;
    chain.backward(x, scale, share);
    bool all = true;
    for (std::size_t t = 0; t < words; ++t) {
      const auto tag = static_cast<std::size_t>(tags[t]);
      float* const p = x.row(rows[t]);
      all = all && static_cast<std::size_t>(std::max_element(p, p + c.tags) - p) == tag;
      p[tag] -= scale;
      if (t == 0) share[tag] -= scale;
      else share[(2 + static_cast<std::size_t>(tags[t - 1])) * width + tag] -= scale;
      if (t + 1 == words) share[width + tag] -= scale;
    }
    right[s] = all ? 1 : 0;
  });
}

/// x[rows[w],j] = p(y_w = j), the marginal of each word's tags, in place of its emissions. Pre: each sequence has an allowed
/// path.
template <executor E>
void crf_marginals(const E& e, const crf& c, const crf_chains& chains, matrix<float> x, float* scratch) noexcept {
  detail::for_each_chain(e, c, chains, scratch, [&](std::size_t, auto& chain) {
    (void)chain.forward(x);
    chain.backward(x, 1.0f, nullptr);
  });
}

}  // namespace bert::kernels

#endif  // BERT_KERNELS_LOSS_CRF_HPP
