// Terms of distillation that compare relations between tokens: scores of attention, and those of MiniLM.
// Layer: objectives. Test: tests/unit/objectives/distil/distil_test.cpp
// Papers: Jiao et al. 2020, "TinyBERT"; Wang et al. 2020, "MiniLM"; Wang et al. 2021, "MiniLMv2".
#ifndef BERT_OBJECTIVES_DISTIL_RELATIONS_HPP
#define BERT_OBJECTIVES_DISTIL_RELATIONS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/kernels/loss/relations.hpp"
#include "bert/objectives/distil/hidden_states.hpp"
#include "bert/objectives/distil/teacher.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

namespace detail {

/// Compares relations of the projections q | k | v of one layer of each, with buffers that the first step allocates.
class relation_work {
 public:
  relation_work(const batch_shape& raw) : shape_(raw) {}  // NOLINT: made from the shape alone

  /// Which projections stand in a relation: 0 queries, 1 keys, 2 values.
  struct between {
    std::size_t x, y;
  };

  /// The sum of the losses of all heads and sequences; adds `share` times its gradient to `d_projections`.
  template <class Student, executor E>
  [[nodiscard]] double add(const E& e, kernels::relation_loss loss, between which, std::size_t heads, const token_batch& tokens,
                           matrix<const float> student, matrix<const float> teacher, matrix<float> d_projections, float share) {
    constexpr std::size_t h = Student::hidden;
    const std::size_t wide = teacher.cols / 3;
    const std::size_t longest = std::min<std::size_t>({shape_.longest, shape_.tokens, std::size_t{Student::positions}});
    const std::size_t floats = e.width() * kernels::relation_scratch(longest, h / heads, wide / heads);
    if (scratch_.size() < floats) scratch_.resize(floats);
    if (losses_.size() < shape_.sequences * heads) losses_.resize(shape_.sequences * heads);
    kernels::relation_losses(e, loss, {student.columns(which.x * h, h), student.columns(which.y * h, h)},
                             {teacher.columns(which.x * wide, wide), teacher.columns(which.y * wide, wide)}, tokens.starts(),
                             heads, d_projections.columns(which.x * h, h), d_projections.columns(which.y * h, h), share,
                             losses_.data(), {scratch_.data(), floats});
    double sum = 0;
    for (std::size_t i = 0; i < tokens.sequences() * heads; ++i) sum += losses_[i];
    return sum;
  }

 private:
  batch_shape shape_;
  std::vector<float> scratch_;
  std::vector<double> losses_;
};

template <class Student, class Teacher>
inline constexpr bool equal_heads = std::size_t{Student::heads} == std::size_t{Teacher::heads};
inline void check_heads(std::size_t students, std::size_t teachers, const char* where) {
  if (students != teachers)
    throw_error({where, cat("a teacher of ", students, " heads, as the student"), cat(teachers), "use minilm_v2"});
}

/// Layer `chosen`, or the last.
[[nodiscard]] inline std::size_t layer_or_last(std::size_t chosen, std::size_t layers, const char* where) {
  if (chosen == static_cast<std::size_t>(-1)) return layers - 1;
  if (chosen >= layers) throw_error({where, cat("a layer below ", layers), cat(chosen), "count layers from 0"});
  return chosen;
}
[[nodiscard]] inline taps tap_of(std::size_t chosen) noexcept {
  return chosen == static_cast<std::size_t>(-1) ? taps::last_projections() : taps::projections(chosen);
}

}  // namespace detail

/// The last layer of a model.
inline constexpr std::size_t last_layer = static_cast<std::size_t>(-1);

/// loss = sum over pairs of layers of mean_(h,i,j) (s_h[i,j] - t_h[i,j])^2,  s_h[i,j] = q[i,h] . k[j,h] / sqrt(D)
///
/// The scores before the softmax, as TinyBERT; the mean is over all heads and pairs of tokens of a sequence, and over all of
/// the batch. Student and teacher must have equally many heads. `layers` count from 0; none: all of the student's, each with
/// the teacher's at the same share of its depth: k - 1, 2 k - 1, ….
struct attention_scores {
  float weight = 1;
  std::vector<layer_pair> layers = {};

  static constexpr std::string_view name = "attention";
  using work = detail::relation_work;

  [[nodiscard]] taps of_student() const noexcept {
    taps all = layers.empty() ? taps::all_projections() : taps{};
    for (const auto& pair : layers) all = all | taps::projections(pair.student);
    return all;
  }
  [[nodiscard]] taps of_teacher() const noexcept {
    taps all = layers.empty() ? taps::all_projections() : taps{};
    for (const auto& pair : layers) all = all | taps::projections(pair.teacher);
    return all;
  }
  [[nodiscard]] static std::uint64_t count(const token_batch& tokens) noexcept {
    std::uint64_t pairs = 0;
    for (std::size_t s = 0; s < tokens.sequences(); ++s) pairs += std::uint64_t{tokens.length(s)} * tokens.length(s);
    return pairs;
  }

  template <class Teacher, class Model, executor E>
  double score(const E& e, const token_batch& tokens, tape<Model>& t, const detail::teacher_answer& teacher, float share,
               work& w) const {
    using student = typename Model::architecture;
    if constexpr (!std::is_void_v<Teacher>)
      static_assert(ensure<detail::equal_heads<student, Teacher>, facts<student, Teacher>>,
                    "bert::objectives::attention_scores: student and teacher differ in the number of heads; use "
                    "bert::objectives::minilm_v2, whose relation heads are equal");
    constexpr const char* where = "bert::objectives::attention_scores";
    constexpr std::size_t depth = student::layers, heads = student::heads;
    const std::size_t deep = teacher.layers;
    detail::check_heads(heads, teacher.heads, where);
    detail::check_layers(layers, depth, deep, where);
    double sum = 0;
    const auto imitate = [&](std::size_t l, std::size_t of) {
      sum += w.template add<student>(e, kernels::relation_loss::scores, {0, 1}, heads, tokens, t.projections(l),
                                     teacher.projections(of), t.d_projections(l), share / static_cast<float>(heads));
    };
    if (layers.empty())
      for (std::size_t l = 0; l < depth; ++l) imitate(l, (l + 1) * deep / depth - 1);
    for (const auto& pair : layers) imitate(pair.student, pair.teacher);
    return sum / static_cast<double>(heads);
  }
};

/// loss = mean_(h,i) KL(A_T || A_S) + mean_(h,i) KL(V_T || V_S),  A = softmax_j(q[i,h] . k[j,h] / sqrt(D)), V the same of v and
/// v
///
/// MiniLM: the attention of one layer and the relations of its values. Student and teacher must have equally many heads.
struct minilm {
  float weight = 1;
  std::size_t student_layer = last_layer, teacher_layer = last_layer;  ///< from 0

  static constexpr std::string_view name = "relations";
  using work = detail::relation_work;

  [[nodiscard]] taps of_student() const noexcept { return detail::tap_of(student_layer); }
  [[nodiscard]] taps of_teacher() const noexcept { return detail::tap_of(teacher_layer); }
  [[nodiscard]] static std::uint64_t count(const token_batch& tokens) noexcept { return tokens.tokens(); }

  template <class Teacher, class Model, executor E>
  double score(const E& e, const token_batch& tokens, tape<Model>& t, const detail::teacher_answer& teacher, float share,
               work& w) const {
    using student = typename Model::architecture;
    if constexpr (!std::is_void_v<Teacher>)
      static_assert(ensure<detail::equal_heads<student, Teacher>, facts<student, Teacher>>,
                    "bert::objectives::minilm: student and teacher differ in the number of heads; use "
                    "bert::objectives::minilm_v2, whose relation heads are equal");
    constexpr std::size_t heads = student::heads;
    constexpr const char* where = "bert::objectives::minilm";
    detail::check_heads(heads, teacher.heads, where);
    const std::size_t l = detail::layer_or_last(student_layer, student::layers, where),
                      of = detail::layer_or_last(teacher_layer, teacher.layers, where);
    double sum = 0;
    for (const work::between which : {work::between{0, 1}, work::between{2, 2}})
      sum += w.template add<student>(e, kernels::relation_loss::distributions, which, heads, tokens, t.projections(l),
                                     teacher.projections(of), t.d_projections(l), share / static_cast<float>(heads));
    return sum / static_cast<double>(heads);
  }
};

/// loss = sum over x of q, k, v of mean_(r,i) KL(X_T || X_S),  X = softmax_j(x[i,r] . x[j,r] / sqrt(H / R))
///
/// MiniLMv2: relations of queries, keys and values in R relation heads, into which the columns of each model are divided anew,
/// so that neither heads nor hidden sizes need be equal. R must divide both hidden sizes; 0: the teacher's number of heads.
struct minilm_v2 {
  float weight = 1;
  std::size_t heads = 0;                                               ///< R
  std::size_t student_layer = last_layer, teacher_layer = last_layer;  ///< from 0

  static constexpr std::string_view name = "relations";
  using work = detail::relation_work;

  [[nodiscard]] taps of_student() const noexcept { return detail::tap_of(student_layer); }
  [[nodiscard]] taps of_teacher() const noexcept { return detail::tap_of(teacher_layer); }
  [[nodiscard]] static std::uint64_t count(const token_batch& tokens) noexcept { return tokens.tokens(); }

  template <class Teacher, class Model, executor E>
  double score(const E& e, const token_batch& tokens, tape<Model>& t, const detail::teacher_answer& teacher, float share,
               work& w) const {
    using student = typename Model::architecture;
    constexpr const char* where = "bert::objectives::minilm_v2";
    const std::size_t r = heads == 0 ? teacher.heads : heads;
    if (student::hidden % r != 0 || teacher.size % r != 0)
      throw_error({where, cat("relation heads that divide ", student::hidden, " and ", teacher.size), cat(r), "set .heads"});
    const std::size_t l = detail::layer_or_last(student_layer, student::layers, where),
                      of = detail::layer_or_last(teacher_layer, teacher.layers, where);
    double sum = 0;
    for (std::size_t x = 0; x < 3; ++x)
      sum += w.template add<student>(e, kernels::relation_loss::distributions, {x, x}, r, tokens, t.projections(l),
                                     teacher.projections(of), t.d_projections(l), share / static_cast<float>(r));
    return sum / static_cast<double>(r);
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_DISTIL_RELATIONS_HPP
