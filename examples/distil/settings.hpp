// The command line of distil, and what it trains on: a task or plain text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "architectures.hpp"
#include "bert/checkpoint/checkpoint.hpp"
#include "bert/core/cores.hpp"
#include "bert/model/copy_layers.hpp"
#include "bert/objectives/distil/teacher.hpp"
#include "columns.hpp"
#include "precisions.hpp"
#include "support.hpp"

namespace distil {

struct settings {
  std::string teacher, from, arch, train, dev, text, out, teacher_precision = "f32";
  support::columns columns;
  int batch = 32;
  unsigned epochs = 3;
  std::uint64_t steps = 1000, seed = 42, log_every = 100;
  std::size_t threads = bert::execution::available_cores(), relation_heads = 0;
  float temperature = 2, hard_weight = 0.5f, hidden = 0, attention = 0, relations = 0, soft = 5, mlm = 2, cosine = -1,
        lr = 1e-4f, warmup = 0.1f, dropout = 0.1f, weight_decay = 0.01f;
  bool copy_layers = false, best = false;
};

/// The greatest hidden size of the architectures of the program: a projection of it serves every teacher.
template <class... Named>
constexpr int widest_of(std::type_identity<bert::choices<Named...>>) {
  return std::max({static_cast<int>(Named::type::hidden)...});
}
inline constexpr int widest = widest_of(std::type_identity<compiled>{});

/// Calls `body(std::type_identity<A>{})` with the student's architecture: --arch, or that of the folder --from.
template <class Body>
void by_student(const settings& s, Body&& body) {
  if (!s.from.empty()) compiled::by_config(bert::checkpoint{bert::path_from(s.from)}.config(), std::forward<Body>(body));
  else compiled::by_name(s.arch, std::forward<Body>(body));
}

/// Throws unless the student's folder has the teacher's vocabulary, by which both read the same pieces.
inline void check_vocabulary(const settings& s, const bert::text::tokenizer& teacher, const bert::text::tokenizer& student) {
  if (bert::fingerprint_of(teacher) != bert::fingerprint_of(student))
    throw bert::error({s.from, "the tokenizer of " + s.teacher, "another", "pretrain the student with --vocab of the teacher"});
}

/// Copies layers of the teacher where the sizes are one; else says why it cannot.
template <class Teacher, class Student>
void copy(const settings& s, const Teacher& teacher, Student& student) {
  using a = typename Teacher::architecture;
  using b = typename Student::architecture;
  if constexpr (a::hidden == b::hidden && a::intermediate == b::intermediate && a::heads == b::heads)
    bert::copy_layers(teacher, student);
  else
    throw bert::error({"--copy-layers",
                       bert::cat("a student of the teacher's hidden size ", a::hidden, ", ", a::heads,
                                 " heads, intermediate size ", a::intermediate),
                       bert::cat(b::hidden, ", ", b::heads, " heads, ", b::intermediate),
                       "choose another --arch, or --hidden 1"});
  std::cout << "layers copied from " << s.teacher << '\n';
}

/// Packs the teacher in --teacher-precision and calls `body(teacher)`.
template <bert::objectives::soft_kind Kind, class Model, class E, class Body>
void with_teacher(const settings& s, const Model& model, const E& threads, Body&& body) {
  precisions::by_name(s.teacher_precision, [&]<class P>(std::type_identity<P>) {
    body(bert::objectives::any_teacher<Kind>(std::make_shared<const bert::frozen<Model, P>>(bert::freeze<P>(model, threads)),
                                             threads));
  });
}

/// Distils a classifier on labeled examples; a masked language model on plain text.
void task(const settings& s, const bert::checkpoint& files);
void text(const settings& s, const bert::checkpoint& files);

}  // namespace distil
