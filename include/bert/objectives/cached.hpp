// Losses on the vectors of large batches, in the memory of a small one: GradCache.
// Layer: objectives. Test: tests/unit/objectives/cached_test.cpp
// Paper: Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup".
#ifndef BERT_OBJECTIVES_CACHED_HPP
#define BERT_OBJECTIVES_CACHED_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/multiple_negatives.hpp"
#include "bert/objectives/on_vectors.hpp"

namespace bert::inline BERT_ISA::objectives {

struct cached_options {
  std::size_t at_once = 32;  ///< sequences of a pass
};

/// The loss of `Loss` over a whole batch, whose sequences go through the model `at_once` at a time: once forward for their
/// vectors, then, with the gradient of each vector, forward again and backward. Half as much arithmetic again for the
/// memory of `at_once` sequences.
///
/// Dropout is keyed by a row's index in the whole batch, so nothing is stored between the passes, and loss and gradients of
/// vectors have the bits of `Loss` in one pass. Gradients of parameters are the same sums in another order. The batch must be
/// trained by passes: bert::measure takes `Loss` itself. `leaves` must be 1.
template <class Loss>
struct cached {
  Loss loss{};
  cached_options options{};

  template <class Model>
  static constexpr bool fits = Loss::template fits<Model>;
  static constexpr bool rewrites = false;
  using needs = typename Loss::needs;

  struct work {
    work(const cached& o, const batch_shape& raw) : loss(o.loss, raw), sequences(raw.sequences) {
      part.reserve(o.capacity(raw));
    }
    typename Loss::work loss;
    std::size_t sequences;
    token_batch part;
    detail::grown_buffer vectors;
  };

  /// What a resumed run must agree in; see trainer::keep. `at_once` changes the order of sums.
  [[nodiscard]] named_facts fingerprint() const {
    named_facts facts = fingerprint_of(loss);
    append(facts, {{"sequences at once", cat(options.at_once)}});
    return facts;
  }
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const {
    if (options.at_once == 0) throw_error({"bert::objectives::cached_options", "at_once of 1 or more", "0", {}});
    batch_shape shape = raw;
    shape.sequences = std::min(options.at_once, raw.sequences);
    if (raw.longest < raw.tokens / shape.sequences) shape.tokens = shape.sequences * raw.longest;
    shape.scored = 0;
    return shape;
  }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    return loss.prepare(in, seed, w.loss);
  }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const noexcept { return loss.counts(in, w.loss); }

  template <class Passes>
  loss_terms run(Passes& p, const training_batch& in, work& w, const loss_scale& scale) const {
    const token_batch& all = p.batch();
    const std::size_t step = std::min(options.at_once, w.sequences);
    matrix<float> y;
    layers::rows_before before{};
    for (std::size_t first = 0; first < all.sequences(); first += step) {
      take(all, first, step, w.part);
      const matrix<float> part = detail::vectors_of(p.forward(w.part, before));
      y = {w.vectors.at_least(w.sequences * part.cols), all.sequences(), part.cols};
      std::copy_n(part.data, part.rows * part.cols, y.row(first));
      advance(p, w.part, before);
    }
    const loss_terms terms = loss.score_vectors(p.executor(), in, w.loss, y, scale);
    before = {};
    for (std::size_t first = 0; first < all.sequences(); first += step) {
      if (all.sequences() > step) {  // else the tape has the only part
        take(all, first, step, w.part);
        p.forward(w.part, before);
      }
      const matrix<float> part = detail::vectors_of(p.tape());
      std::copy_n(y.row(first), part.rows * part.cols, part.data);
      p.backward(w.part);
      advance(p, w.part, before);
    }
    return terms;
  }

 private:
  /// Adds the rows of `part` to those before the next one.
  template <class Passes>
  static void advance(const Passes& p, const token_batch& part, layers::rows_before& before) noexcept {
    before.sequences += part.sequences();
    before.tokens += part.tokens();
    before.chosen += p.tape().chosen_rows(part);
  }
  static void take(const token_batch& all, std::size_t first, std::size_t step, token_batch& part) {
    part.clear();
    const std::size_t last = std::min(first + step, all.sequences());
    const token_run run = all.run(first, last);
    for (std::size_t s = first; s < last; ++s)
      part.add(all[s], all.segments(s),
               run.marks.empty() ? run.marks : run.marks.subspan(all.starts()[s] - all.starts()[first], all.length(s)));
  }
};

template <class Loss>
cached(Loss, cached_options) -> cached<Loss>;
template <class Loss>
cached(Loss) -> cached<Loss>;

struct cached_multiple_negatives_options {
  float scale = 20;
  bool symmetric = false;
  std::size_t at_once = 32;
};

/// multiple_negatives over any batch in the memory of `at_once` sequences:
///
///     bert::fit(model, bert::objectives::cached_multiple_negatives{{.at_once = 16}}, pairs.batches(512), …);
struct cached_multiple_negatives : cached<multiple_negatives> {
  explicit cached_multiple_negatives(const cached_multiple_negatives_options& o = {})
      : cached<multiple_negatives>{multiple_negatives{.scale = o.scale, .symmetric = o.symmetric}, {.at_once = o.at_once}} {}
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_CACHED_HPP
