// What a student learns from: a frozen network that runs on every batch, or logits that its source brings.
// Layer: objectives. Test: tests/unit/objectives/distil/distil_test.cpp
#ifndef BERT_OBJECTIVES_DISTIL_TEACHER_HPP
#define BERT_OBJECTIVES_DISTIL_TEACHER_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "bert/core/isa.hpp"
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/predicts.hpp"
#include "bert/heads/span.hpp"
#include "bert/model/session.hpp"
#include "bert/objectives/per_sequence.hpp"
#include "bert/tensor/training_batch.hpp"

namespace bert::inline BERT_ISA::objectives {

/// What the rows of logits are that teacher and student share.
enum class soft_kind : std::uint8_t { none, classes, decisions, value, tags, span, pieces };

namespace detail {

/// The kind of a head's logits, or `none` if there are no soft labels of them.
template <class Head>
[[nodiscard]] constexpr soft_kind soft_kind_of() {
  if constexpr (heads::classifier<Head>) return soft_kind::classes;
  else if constexpr (heads::many_classifier<Head>) return soft_kind::decisions;
  else if constexpr (heads::regressor<Head>) return soft_kind::value;
  else if constexpr (heads::tagger<Head>) return soft_kind::tags;
  else if constexpr (heads::span_finder<Head>) return soft_kind::span;
  else return std::is_same_v<Head, heads::masked_lm> ? soft_kind::pieces : soft_kind::none;
}
template <class Target>
[[nodiscard]] constexpr soft_kind soft_kind_of_target() {
  if constexpr (std::is_same_v<Target, target::label>) return soft_kind::classes;
  else if constexpr (std::is_same_v<Target, target::many>) return soft_kind::decisions;
  else if constexpr (std::is_same_v<Target, target::value>) return soft_kind::value;
  else if constexpr (std::is_same_v<Target, target::tag>) return soft_kind::tags;
  else return std::is_same_v<Target, target::span> ? soft_kind::span : soft_kind::none;
}

template <class Head>
struct has_soft_kind : std::bool_constant<soft_kind_of<Head>() != soft_kind::none> {};
template <soft_kind Kind>
struct of_kind {
  template <class Head>
  struct is : std::bool_constant<soft_kind_of<Head>() == Kind> {};
};

/// The first head of a model whose logits are of a kind, or void.
template <soft_kind Kind, class Model>
using head_of_kind = typename head_where<of_kind<Kind>::template is, Model>::type;

/// What a teacher says about a batch, and its size. Hidden states and projections are there of the layers that were asked for.
struct teacher_answer {
  std::size_t size = 0, layers = 0, heads = 0;
  matrix<const float> logits = {};
  std::function<matrix<const float>(std::size_t)> hidden = {}, projections = {};
};

}  // namespace detail

/// A teacher whose logits the batches carry (`training_batch::logits`: bert::data::with_logits), so that it need not run.
/// `Target` says what the logits are: target::label, many, value, tag or span.
template <class Target = target::label>
struct given_logits {
  static_assert(detail::soft_kind_of_target<Target>() != soft_kind::none,
                "bert::objectives::given_logits: logits of target::label, many, value, tag or span");
};

/// How an objective holds a teacher and runs it; specialized for each kind of teacher.
template <class Teacher>
struct teacher_link {
  static_assert(ensure<std::is_void_v<Teacher>, facts<Teacher>>,
                "bert::objectives::distil: a teacher is a bert::frozen model (bert::freeze), any_teacher or given_logits");
};

/// A frozen network of any precision, held by pointer: it must outlive the objective.
template <class A, class... Heads, class Precision>
struct teacher_link<frozen<model<A, Heads...>, Precision>> {
  using network = frozen<model<A, Heads...>, Precision>;
  using architecture = A;
  using head = typename detail::first_head<detail::has_soft_kind, Heads...>::type;
  using needs = target_list<>;
  static constexpr bool runs = true;
  static constexpr soft_kind kind = detail::soft_kind_of<head>();

  explicit teacher_link(const network& n) noexcept : teacher(&n) {}
  const network* teacher;

  /// Runs the teacher on batches; its session is on the trainer's executor, whose type this hides.
  class runner {
   public:
    template <executor E>
    runner(const teacher_link& link, const batch_shape& capacity, const E& e, const taps& kept)
        : session_(std::make_shared<session<network, E>>(link.teacher->session(capacity, e, kept))) {
      auto& s = *static_cast<session<network, E>*>(session_.get());
      run_ = [&s](const token_batch& batch) {
        s(batch);
        matrix<const float> logits{};
        if constexpr (kind != soft_kind::none) {
          const auto out = s.template output<head>();
          logits = {out.data(), out.shape()[0], out.shape()[1]};
        }
        return logits;
      };
      answer_.size = A::hidden;
      answer_.layers = A::layers;
      answer_.heads = A::heads;
      answer_.hidden = [&s](std::size_t l) { return s.hidden(l); };
      answer_.projections = [&s](std::size_t l) { return s.projections(l); };
    }
    [[nodiscard]] const detail::teacher_answer& operator()(const training_batch&, const token_batch& batch) {
      answer_.logits = run_(batch);
      return answer_;
    }

   private:
    std::shared_ptr<void> session_;
    std::function<matrix<const float>(const token_batch&)> run_;
    detail::teacher_answer answer_;
  };
};

/// A frozen network whose architecture and precision are known at run time alone, for programs that open any folder: sizes that
/// do not fit are then errors at run time. Its sessions run on the executor that it was constructed with.
template <soft_kind Kind>
class any_teacher {
 public:
  /// Shares `network`; takes the logits of its first head of that kind.
  template <class A, class... Heads, class Precision, executor E>
  any_teacher(std::shared_ptr<const frozen<model<A, Heads...>, Precision>> network, const E& e) {
    using link = teacher_link<frozen<model<A, Heads...>, Precision>>;
    static_assert(ensure<link::kind == Kind, facts<A, Heads...>>,
                  "bert::objectives::any_teacher: the network's first head with soft labels is of another kind");
    make_ = [network = std::move(network), e](const batch_shape& capacity, const taps& kept) {
      auto run = std::make_shared<typename link::runner>(link(*network), capacity, e, kept);
      return run_type([network, run](const training_batch& in, const token_batch& batch) -> const detail::teacher_answer& {
        return (*run)(in, batch);
      });
    };
  }

 private:
  friend teacher_link<any_teacher>;
  using run_type = std::function<const detail::teacher_answer&(const training_batch&, const token_batch&)>;
  std::function<run_type(const batch_shape&, const taps&)> make_;
};

template <soft_kind Kind>
struct teacher_link<any_teacher<Kind>> {
  using architecture = void;
  using needs = target_list<>;
  static constexpr bool runs = true;
  static constexpr soft_kind kind = Kind;

  explicit teacher_link(const any_teacher<Kind>& t) : teacher(t) {}
  any_teacher<Kind> teacher;

  class runner {
   public:
    template <executor E>
    runner(const teacher_link& link, const batch_shape& capacity, const E&, const taps& kept)
        : run_(link.teacher.make_(capacity, kept)) {}
    [[nodiscard]] const detail::teacher_answer& operator()(const training_batch& in, const token_batch& batch) {
      return run_(in, batch);
    }

   private:
    typename any_teacher<Kind>::run_type run_;
  };
};

template <class Target>
struct teacher_link<given_logits<Target>> {
  using architecture = void;
  using needs = target_list<target::logits>;
  static constexpr bool runs = false;
  static constexpr soft_kind kind = detail::soft_kind_of_target<Target>();

  explicit constexpr teacher_link(const given_logits<Target>&) noexcept {}

  class runner {
   public:
    template <executor E>
    runner(const teacher_link&, const batch_shape&, const E&, const taps&) noexcept {}
    [[nodiscard]] const detail::teacher_answer& operator()(const training_batch& in, const token_batch&) {
      const std::size_t width = in.logits_width;
      answer_.logits = {in.logits.data(), width == 0 ? 0 : in.logits.size() / width, width};
      return answer_;
    }

   private:
    detail::teacher_answer answer_;
  };
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_DISTIL_TEACHER_HPP
