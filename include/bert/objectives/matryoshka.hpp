// A loss on vectors and on their first dimensions, so that vectors can be cut.
// Layer: objectives. Test: tests/unit/objectives/on_vectors_test.cpp
// Paper: Kusupati et al. 2022, "Matryoshka representation learning".
#ifndef BERT_OBJECTIVES_MATRYOSHKA_HPP
#define BERT_OBJECTIVES_MATRYOSHKA_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "bert/core/ensure.hpp"
#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/on_vectors.hpp"

namespace bert::inline BERT_ISA::objectives {

/// loss = sum over d of Loss(x[:,:d] / |x[:,:d]|),  d one of Sizes
///
///     bert::objectives::matryoshka<bert::objectives::multiple_negatives, 384, 256, 128, 64>{{.scale = 20}}
///
/// `Sizes` are positive and at most the vectors' dimension; the whole vector counts only if its size is among them.
template <class Loss, int... Sizes>
struct matryoshka {
  static_assert(ensure<(sizeof...(Sizes) > 0 && ((Sizes > 0) && ...)), facts<Loss>>,
                "bert::objectives::matryoshka: give one dimension or more, each positive: matryoshka<Loss, 256, 128, 64>");
  using needs = typename Loss::needs;

  Loss loss{};

  struct work {
    work(const matryoshka& o, const batch_shape& raw) : loss(o.loss, raw), inverse(raw.sequences) {}
    typename Loss::work loss;
    buffer<float> inverse;
    detail::grown_buffer units, part, sum;
  };
  /// What a resumed run must agree in; see trainer::keep.
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(loss);
    std::string sizes;
    ((sizes += cat(sizes.empty() ? "" : " ", Sizes)), ...);
    append(facts, {{"dimensions", sizes}});
    return facts;
  }
  static void check(const training_batch& in) { Loss::check(in); }
  [[nodiscard]] static std::uint64_t count(const training_batch& in) noexcept { return Loss::count(in); }

  template <class Model>
  static constexpr bool fits = detail::embeds<Model>;
  static constexpr bool rewrites = false;
  [[nodiscard]] static constexpr batch_shape capacity(const batch_shape& raw) noexcept { return detail::unscored(raw); }
  [[nodiscard]] static const token_batch& prepare(const training_batch& in, std::uint64_t, work&) {
    check(in);
    return in.tokens;
  }
  [[nodiscard]] static loss_terms counts(const training_batch& in, const work&) noexcept {
    return detail::loss_count(count(in));
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& share) const {
    return score_vectors(e, in, w, detail::vectors_of(t), share);
  }

  template <executor E>
  loss_terms score_vectors(const E& e, const training_batch& in, work& w, matrix<float> y, const loss_scale& share) const {
    for (const int size : {Sizes...})
      if (static_cast<std::size_t>(size) > y.cols)
        throw_error({"bert::objectives::matryoshka", cat("dimensions of at most ", y.cols, ", the vectors'"), cat(size), {}});
    const std::size_t most = w.inverse.size() * y.cols;
    const matrix<float> sum{w.sum.at_least(most), y.rows, y.cols};
    std::fill_n(sum.data, y.rows * y.cols, 0.0f);
    loss_term term{.name = "loss", .count = count(in)};
    for (const int size : {Sizes...}) {
      const auto d = static_cast<std::size_t>(size);
      const matrix<float> units{w.units.at_least(most), y.rows, d}, part{w.part.at_least(most), y.rows, d};
      kernels::unit_rows(e, y.columns(0, d), units, w.inverse.data());
      std::copy_n(units.data, y.rows * d, part.data);
      const loss_term own = loss.score_vectors(e, in, w.loss, part, share)["loss"];
      term.sum += own.sum;
      term.correct = size == largest() ? own.correct : term.correct;
      kernels::unit_rows_backward(e, units, w.inverse.data(), part);
      kernels::add_in_place(e, part, sum.columns(0, d));
    }
    std::copy_n(sum.data, y.rows * y.cols, y.data);
    loss_terms terms;
    terms.add(term);
    return terms;
  }

 private:
  static constexpr int largest() noexcept { return std::max({Sizes...}); }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_MATRYOSHKA_HPP
