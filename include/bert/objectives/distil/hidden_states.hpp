// Terms of distillation that compare hidden states of student and teacher.
// Layer: objectives. Test: tests/unit/objectives/distil/distil_test.cpp
// Papers: Jiao et al. 2020, "TinyBERT"; Sanh et al. 2019, "DistilBERT".
#ifndef BERT_OBJECTIVES_DISTIL_HIDDEN_STATES_HPP
#define BERT_OBJECTIVES_DISTIL_HIDDEN_STATES_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/memory.hpp"
#include "bert/heads/hidden_projection.hpp"
#include "bert/kernels/loss/row_distances.hpp"
#include "bert/objectives/distil/teacher.hpp"
#include "bert/objectives/objective.hpp"

namespace bert::inline BERT_ISA::objectives {

/// A layer of the student and the layer of the teacher that it learns from.
struct layer_pair {
  std::size_t student = 0, teacher = 0;
};

namespace detail {

/// Throws unless every pair is of layers that both have.
inline void check_layers(const std::vector<layer_pair>& pairs, std::size_t students, std::size_t teachers, const char* where) {
  if (pairs.size() > students)
    throw_error({where, cat("at most ", students, " pairs of layers, one for each of the student's"), cat(pairs.size()), {}});
  for (const auto& [student, teacher] : pairs)
    if (student >= students || teacher >= teachers)
      throw_error({where,
                   cat("student layers below ", students, ", teacher layers below ", teachers),
                   cat(student, " and ", teacher),
                   {}});
}

/// Buffers of a term with one loss a token.
struct row_losses {
  row_losses(const batch_shape& raw) : losses(raw.tokens) {}  // NOLINT: made from the shape alone
  buffer<float> losses;
};

/// The teacher's greatest hidden size that a student can be compared with.
template <class Student, class Projection>
inline constexpr std::size_t comparable_size = Projection::outputs;
template <class Student>
inline constexpr std::size_t comparable_size<Student, void> = Student::hidden;
template <class Student, class Teacher, class Projection>
inline constexpr bool can_compare = comparable_size<Student, Projection> == std::size_t{Teacher::hidden};

}  // namespace detail

/// loss = sum over pairs (s, t) of mean_n |W h_s[n,:] + b - g_t[n,:]|^2 / H',  h the student's hidden states, g the teacher's
/// [N, H']
///
/// W and b are those of the student's heads::hidden_projection<H'>, one for all layers as in TinyBERT; without that head
/// W h + b is h, and both sizes must be equal. `layers` count from the embeddings, 0; none: all of the student's, each with the
/// teacher's at the same share of its depth: 0, k, 2 k, ….
struct hidden_states {
  float weight = 1;
  std::vector<layer_pair> layers = {};

  static constexpr std::string_view name = "hidden";
  using work = detail::row_losses;

  [[nodiscard]] taps of_student() const noexcept {
    taps all = layers.empty() ? taps::all_hidden() : taps{};
    for (const auto& pair : layers) all = all | taps::hidden(pair.student);
    return all;
  }
  [[nodiscard]] taps of_teacher() const noexcept {
    taps all = layers.empty() ? taps::all_hidden() : taps{};
    for (const auto& pair : layers) all = all | taps::hidden(pair.teacher);
    return all;
  }
  [[nodiscard]] static std::uint64_t count(const token_batch& tokens) noexcept { return tokens.tokens(); }

  template <class Teacher, class Model, executor E>
  double score(const E& e, const token_batch&, tape<Model>& t, const detail::teacher_answer& teacher, float share,
               work& w) const {
    using student = typename Model::architecture;
    using projection = typename detail::head_where<heads::is_projection, Model>::type;
    constexpr const char* where = "bert::objectives::hidden_states";
    if constexpr (!std::is_void_v<Teacher>)
      static_assert(
          ensure<detail::can_compare<student, Teacher, projection>, facts<student, Teacher, Model>>,
          "bert::objectives::hidden_states: student and teacher differ in hidden size; give the student a projection, "
          "bert::heads::hidden_projection<the teacher's hidden size>");
    constexpr std::size_t depth = student::layers, most = detail::comparable_size<student, projection>;
    const std::size_t deep = teacher.layers;
    if (teacher.size > most || (std::is_void_v<projection> && teacher.size != most))
      throw_error({where, cat("a teacher of hidden size ", most, std::is_void_v<projection> ? "" : " or less"),
                   cat(teacher.size), "give the student a bert::heads::hidden_projection of the teacher's size"});
    detail::check_layers(layers, depth + 1, deep + 1, where);
    double sum = 0;
    const auto imitate = [&](std::size_t l, std::size_t of) {
      const matrix<const float> h = t.hidden(l), wanted = teacher.hidden(of);
      const float each = share / static_cast<float>(wanted.cols);
      if constexpr (!std::is_void_v<projection>) {
        auto& head = t.template head<projection>();
        const matrix<float> y = head.project(e, h, wanted.cols);
        kernels::squared_distance(e, y, wanted, w.losses.data(), y, each, gradients::written);
        head.pass_on(e, y, t.d_hidden(l));
      } else {
        kernels::squared_distance(e, h, wanted, w.losses.data(), t.d_hidden(l), each, gradients::added);
      }
      for (std::size_t n = 0; n < h.rows; ++n) sum += static_cast<double>(w.losses[n]) / static_cast<double>(wanted.cols);
    };
    if (layers.empty())
      for (std::size_t l = 0; l <= depth; ++l) imitate(l, l * deep / depth);
    for (const auto& pair : layers) imitate(pair.student, pair.teacher);
    return sum;
  }
};

/// loss = mean_n (1 - cos(h[n,:], g[n,:])),  h and g the last hidden states of student and teacher
///
/// The third term of DistilBERT. Both hidden sizes must be equal.
struct hidden_cosine {
  float weight = 1;

  static constexpr std::string_view name = "cosine";
  using work = detail::row_losses;

  [[nodiscard]] static taps of_student() noexcept { return taps::last_hidden(); }
  [[nodiscard]] static taps of_teacher() noexcept { return taps::last_hidden(); }
  [[nodiscard]] static std::uint64_t count(const token_batch& tokens) noexcept { return tokens.tokens(); }

  template <class Teacher, class Model, executor E>
  double score(const E& e, const token_batch&, tape<Model>& t, const detail::teacher_answer& teacher, float share,
               work& w) const {
    using student = typename Model::architecture;
    if constexpr (!std::is_void_v<Teacher>)
      static_assert(ensure<detail::can_compare<student, Teacher, void>, facts<student, Teacher>>,
                    "bert::objectives::hidden_cosine: student and teacher differ in hidden size, and a cosine needs vectors of "
                    "one size; use bert::objectives::hidden_states with a projection");
    if (teacher.size != std::size_t{student::hidden})
      throw_error({"bert::objectives::hidden_cosine", cat("a teacher of hidden size ", student::hidden), cat(teacher.size),
                   "compare hidden states by a projection, or relations"});
    const matrix<const float> h = t.hidden(student::layers);
    kernels::cosine_distance(e, h, teacher.hidden(teacher.layers), w.losses.data(), t.d_hidden(student::layers), share);
    double sum = 0;
    for (std::size_t n = 0; n < h.rows; ++n) sum += static_cast<double>(w.losses[n]);
    return sum;
  }
};

}  // namespace bert::objectives

#endif  // BERT_OBJECTIVES_DISTIL_HIDDEN_STATES_HPP
