// Writes what a teacher says about every example of a source.
// Layer: evaluation. Test: tests/unit/evaluation/write_logits_test.cpp
#ifndef BERT_EVALUATION_WRITE_LOGITS_HPP
#define BERT_EVALUATION_WRITE_LOGITS_HPP

#include <cstdint>
#include <filesystem>

#include "bert/core/isa.hpp"
#include "bert/data/logits_file.hpp"
#include "bert/objectives/distil/teacher.hpp"

namespace bert::inline BERT_ISA {

/// Runs `teacher` over the first epoch of `source` and writes the logits of its first head of classes, several labels, a value,
/// tags or a span to `path`, where bert::data::logits_file reads them. Throws bert::error if the file cannot be written.
template <class A, class... Heads, class Precision, batch_source Source, executor E = execution::serial>
void write_logits(const std::filesystem::path& path, const frozen<model<A, Heads...>, Precision>& teacher, const Source& source,
                  const E& e = {}) {
  using link = objectives::teacher_link<frozen<model<A, Heads...>, Precision>>;
  static_assert(ensure < link::kind != objectives::soft_kind::none && link::kind != objectives::soft_kind::pieces, facts < A,
                Heads... >>,
                "bert::write_logits: the teacher needs a head of classes, several labels, a value, tags or a span");
  auto capacity = source.capacity();
  capacity.scored = 0;
  auto run = teacher.session(capacity, e);
  data::logits_writer out;
  training_batch batch;
  for (std::uint64_t i = 0; i < source.batches_per_epoch(); ++i) {
    source.load(i, batch);
    run(batch.tokens);
    const auto logits = run.template output<typename link::head>();
    out.add(batch.tokens, {logits.data(), logits.shape()[0], logits.shape()[1]});
  }
  out.write(path);
}

}  // namespace bert

#endif  // BERT_EVALUATION_WRITE_LOGITS_HPP
