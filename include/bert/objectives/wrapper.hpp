// What objectives have in common that train another one in another way: by further passes, or on other input.
// Layer: objectives. Test: tests/unit/objectives/regularizers_test.cpp
#ifndef BERT_OBJECTIVES_WRAPPER_HPP
#define BERT_OBJECTIVES_WRAPPER_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bert/core/fingerprint.hpp"
#include "bert/core/isa.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

/// Base of an objective around another one, `inner`: what the derived class does not say for itself is said by `inner`. Its
/// loss without training (`score`) is that of `inner`.
///
///     template <class Inner>
///     struct twice : bert::objectives::wrapper<Inner, twice_options> {
///       using base = bert::objectives::wrapper<Inner, twice_options>;
///       using base::base, base::inner, base::options;
///       template <class Passes>
///       loss_terms run(Passes&, const training_batch&, typename base::work&, const loss_scale&) const;  // training/passes.hpp
///     };
///
/// Where it needs buffers, it has a `work` derived from this one that inherits its constructor.
template <class Inner, class Options>
struct wrapper {
  Inner inner{};
  Options options{};

  wrapper() = default;
  explicit wrapper(Inner objective) : inner(std::move(objective)) {}
  wrapper(Inner objective, Options o) : inner(std::move(objective)), options(std::move(o)) {}

  template <class Model>
  static constexpr bool fits = Inner::template fits<Model>;
  static constexpr bool rewrites = Inner::rewrites;
  using needs = needs_of<Inner>;

  struct work {
    template <executor E = execution::serial>
    work(const wrapper& o, const batch_shape& raw, const E& e = {}) : inner(make_work(o.inner, raw, e)) {}
    typename Inner::work inner;
  };
  [[nodiscard]] batch_shape capacity(const batch_shape& raw) const noexcept { return inner.capacity(raw); }
  [[nodiscard]] const token_batch& prepare(const training_batch& in, std::uint64_t seed, work& w) const {
    return inner.prepare(in, seed, w.inner);
  }
  [[nodiscard]] loss_terms counts(const training_batch& in, const work& w) const requires(tells_counts<Inner>) {
    return inner.counts(in, w.inner);
  }
  template <class Model, executor E>
  loss_terms score(const E& e, const training_batch& in, work& w, tape<Model>& t, const loss_scale& scale) const {
    return inner.score(e, in, w.inner, t, scale);
  }

 protected:
  /// The facts of `inner`, and one more.
  [[nodiscard]] named_facts fingerprint_with(std::string_view name, std::string value) const {
    named_facts facts = fingerprint_of(inner);
    append(facts, {{std::string(name), std::move(value)}});
    return facts;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_WRAPPER_HPP
