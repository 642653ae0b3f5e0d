// A student of another hidden size than its teacher's needs a projection to learn hidden states.
// Message: bert::objectives::hidden_states: student and teacher differ in hidden size; give the student a projection, bert::heads::hidden_projection<the teacher's hidden size>
// Message: facts<.*small.*big
#include "bert/heads/classify.hpp"
#include "bert/labels/one_of.hpp"
#include "bert/objectives/distil/distil.hpp"
#include "bert/training/trainer.hpp"

struct mood : bert::labels::one_of<"bad", "good"> {};
struct big : bert::architecture_of<bert::dims{.vocab = 100, .hidden = 64, .layers = 2, .heads = 4, .intermediate = 128}> {};
struct small : bert::architecture_of<bert::dims{.vocab = 100, .hidden = 32, .layers = 1, .heads = 4, .intermediate = 64}> {};
#ifdef BERT_MISTAKE
using student = bert::model<small, bert::heads::classify<mood>>;
#else
using student = bert::model<small, bert::heads::classify<mood>, bert::heads::hidden_projection<big::hidden>>;
#endif

struct source {
  bert::batch_shape capacity() const { return {.sequences = 1, .tokens = 8}; }
  std::uint64_t batches_per_epoch() const { return 1; }
  void load(std::uint64_t, bert::training_batch&) const {}
};

int main() {
  const auto teacher = bert::freeze(bert::model<big, bert::heads::classify<mood>>::random({.stddev = 0.02f, .seed = 1}));
  auto model = student::random({.stddev = 0.02f, .seed = 1});
  const bert::objectives::distil objective{teacher, bert::objectives::no_hard_loss{}, {}, bert::objectives::hidden_states{}};
  bert::trainer trainer{model, objective, bert::optim::adamw{}, bert::schedules::constant{.peak = 1e-4f, .total = 2}};
  const source batches;
  for (const auto& step : trainer.over(batches)) (void)step;
}
