// A task's objective with the regularizer that the command line asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "bert/core/error.hpp"
#include "bert/core/fingerprint.hpp"
#include "bert/objectives/fgm.hpp"
#include "bert/objectives/freelb.hpp"
#include "bert/objectives/mixup.hpp"
#include "bert/objectives/r_drop.hpp"
#include "bert/objectives/self_distil.hpp"
#include "finetune/settings.hpp"

namespace finetune {

namespace regular = bert::objectives;

/// Which of an objective's regularizers apply to a task: R-Drop needs rows of classes, self-distillation rows of logits.
/// Mix-up needs a class a text.
enum class logits_of : std::uint8_t { none, numbers, classes };

/// `Inner` itself, or in R-Drop, FGM, FreeLB, mix-up or self-distillation. `Logits` says what its logits are.
template <class Inner, logits_of Logits>
class regularized {
 public:
  /// Throws bert::error for two regularizers, or for one that the task has no logits for.
  regularized(Inner inner, const settings& s)
      : inner_(std::move(inner)), r_drop_(s.rdrop), freelb_(s.freelb), fgm_(s.fgm), mixup_(s.mixup) {
    const int asked = (s.rdrop > 0) + (s.fgm > 0) + (s.freelb > 0) + (s.mixup > 0) + (s.sda > 0 || s.sdv > 0);
    if (asked > 1 || (s.sda > 0 && s.sdv > 0))
      throw bert::error({"--rdrop, --fgm, --freelb, --mixup, --sda and --sdv", "one of them", "several", "choose one"});
    if (s.mixup > 0 && s.task != "classify") throw bert::error({"--mixup", "--task classify", "--task " + s.task, "try --fgm"});
    if (s.rdrop > 0 && Logits != logits_of::classes)
      throw bert::error({"--rdrop", "a task of classes: classify, or tag without --crf", "--task " + s.task, "try --fgm"});
    if ((s.sda > 0 || s.sdv > 0) && Logits == logits_of::none)
      throw bert::error({"--sda and --sdv", "a task with logits: classify, multilabel, regress, or tag without --crf",
                         "--task " + s.task, "try --ema"});
    teacher_.kind = s.sdv > 0 ? regular::teacher_kind::votes : regular::teacher_kind::mean;
    teacher_.last = s.sda > 0 ? s.sda : s.sdv;
    distil_weight_ = s.self_weight;
  }

  using needs = regular::needs_of<Inner>;
  template <class Model>
  static constexpr bool fits = Inner::template fits<Model>;
  static constexpr bool rewrites = false;

  /// The work of the regularizer that was chosen, and of `Inner` where there is none.
  struct work {
    template <bert::executor E = bert::execution::serial>
    work(const regularized& o, const bert::batch_shape& raw, const E& e = {}) : inner(regular::make_work(o.inner_, raw, e)) {
      if (o.r_drop_ > 0) r_drop.emplace(o.r_drop(), raw, e);
      if (o.fgm_ > 0) fgm.emplace(o.fgm(), raw, e);
      if (o.freelb_ > 0) freelb.emplace(o.freelb(), raw, e);
      if constexpr (mixes)
        if (o.mixup_ > 0) mixup.emplace(o.mixup(), raw, e);
      if (o.teacher_.last > 0) distil.emplace(o.distil(), raw, e);
    }
    typename Inner::work inner;
    std::optional<typename regular::r_drop<Inner>::work> r_drop;
    std::optional<typename regular::fgm<Inner>::work> fgm;
    std::optional<typename regular::freelb<Inner>::work> freelb;
    std::optional<typename regular::mixup<Inner>::work> mixup;
    std::optional<typename regular::self_distil<Inner>::work> distil;
  };

  [[nodiscard]] const regular::teacher_options& teacher() const noexcept { return teacher_; }
  /// Whether the gradient by the embeddings' output is needed.
  [[nodiscard]] bool perturbs_embeddings() const noexcept { return fgm_ > 0 || freelb_ > 0 || mixup_ > 0; }
  [[nodiscard]] bert::named_facts fingerprint() const {
    return with([](const auto& o) { return bert::fingerprint_of(o); });
  }
  [[nodiscard]] bert::batch_shape capacity(const bert::batch_shape& raw) const noexcept { return inner_.capacity(raw); }
  [[nodiscard]] const bert::token_batch& prepare(const bert::training_batch& in, std::uint64_t seed, work& w) const {
    if (w.r_drop) return r_drop().prepare(in, seed, *w.r_drop);
    if (w.fgm) return fgm().prepare(in, seed, *w.fgm);
    if (w.freelb) return freelb().prepare(in, seed, *w.freelb);
    if (w.mixup) return mixup().prepare(in, seed, *w.mixup);
    if (w.distil) return distil().prepare(in, seed, *w.distil);
    return inner_.prepare(in, seed, w.inner);
  }
  [[nodiscard]] regular::loss_terms counts(const bert::training_batch& in, const work& w) const
      requires(regular::tells_counts<Inner>) {
    if (w.r_drop) return r_drop().counts(in, *w.r_drop);
    if (w.fgm) return fgm().counts(in, *w.fgm);
    if (w.freelb) return freelb().counts(in, *w.freelb);
    if (w.mixup) return mixup().counts(in, *w.mixup);
    if (w.distil) return distil().counts(in, *w.distil);
    return inner_.counts(in, w.inner);
  }
  template <class Passes>
  regular::loss_terms run(Passes& p, const bert::training_batch& in, work& w, const regular::loss_scale& scale) const {
    if constexpr (Logits == logits_of::classes)
      if (w.r_drop) return r_drop().run(p, in, *w.r_drop, scale);
    if constexpr (mixes)
      if (w.mixup) return mixup().run(p, in, *w.mixup, scale);
    if constexpr (Logits != logits_of::none)
      if (w.distil) return distil().run(p, in, *w.distil, scale);
    if (w.fgm) return fgm().run(p, in, *w.fgm, scale);
    if (w.freelb) return freelb().run(p, in, *w.freelb, scale);
    auto& tape = p.forward();
    const auto terms = inner_.score(p.executor(), in, w.inner, tape, scale);
    p.backward();
    return terms;
  }

 private:
  static constexpr bool mixes = Logits == logits_of::classes;

  [[nodiscard]] regular::r_drop<Inner> r_drop() const { return {inner_, {.alpha = r_drop_}}; }
  [[nodiscard]] regular::fgm<Inner> fgm() const { return {inner_, {.epsilon = fgm_}}; }
  [[nodiscard]] regular::freelb<Inner> freelb() const { return {inner_, {.ascents = freelb_}}; }
  [[nodiscard]] regular::mixup<Inner> mixup() const { return {inner_, {.alpha = mixup_}}; }
  [[nodiscard]] regular::self_distil<Inner> distil() const { return {inner_, {.weight = distil_weight_, .teacher = teacher_}}; }
  template <class Body>
  [[nodiscard]] auto with(const Body& body) const {
    if (r_drop_ > 0) return body(r_drop());
    if (fgm_ > 0) return body(fgm());
    if (freelb_ > 0) return body(freelb());
    if (mixup_ > 0) return body(mixup());
    if (teacher_.last > 0) return body(distil());
    return body(inner_);
  }

  Inner inner_;
  regular::teacher_options teacher_{.last = 0};
  float r_drop_ = 0, distil_weight_ = 1;
  unsigned freelb_ = 0;
  float fgm_ = 0, mixup_ = 0;
};

}  // namespace finetune
