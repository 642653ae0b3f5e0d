// The message for an objective that lacks a function names the function, not the head.
// Message: bert::trainer: an objective needs a type work, capacity\(const batch_shape&\) and prepare
// Message: facts<.*half.*model<.*masked_lm
#include "bert/heads/masked_lm.hpp"
#include "bert/objectives/masked_lm.hpp"
#include "bert/training/trainer.hpp"

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};
struct half : bert::objectives::masked_lm<> {
#ifdef BERT_MISTAKE
  void prepare() const;  // hides the base's
#endif
};
using trained = bert::model<pocket, bert::heads::masked_lm>;

int main() {
  auto model = trained::random({.stddev = 0.02f, .seed = 1});
  const bert::trainer trainer{model, half{}, bert::optim::adamw{}, bert::schedules::warmup_linear{.peak = 1e-4f, .warmup = 1, .total = 2}};
  return static_cast<int>(trainer.done());
}
