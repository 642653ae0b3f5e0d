// An objective trains only a model that has its head.
// Message: bert::trainer: the objective needs a head that the model does not have; make the model with bert::model_for<Architecture, Objective>
// Message: facts<.*next_sentence.*model<.*masked_lm
#include "bert/heads/masked_lm.hpp"
#include "bert/heads/next_sentence.hpp"
#include "bert/objectives/joint.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/objectives/next_sentence.hpp"
#include "bert/training/trainer.hpp"

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};
using objective = bert::objectives::joint<bert::objectives::masked_lm<>, bert::objectives::next_sentence>;
#ifdef BERT_MISTAKE
using trained = bert::model<pocket, bert::heads::masked_lm>;
#else
using trained = bert::model<pocket, bert::heads::masked_lm, bert::heads::next_sentence>;
#endif

int main() {
  auto model = trained::random({.stddev = 0.02f, .seed = 1});
  const bert::trainer trainer{model, objective{}, bert::optim::adamw{}, bert::schedules::warmup_linear{.peak = 1e-4f, .warmup = 1, .total = 2}};
  return static_cast<int>(trainer.done());
}
