// An objective trains only on a source with the targets that it needs: tags for a tagger, not labels.
// Message: bert::trainer: the source does not carry what the objective needs
// Message: facts<.*label.*tag_cross_entropy
#include "bert/data/labeled_set.hpp"
#include "bert/heads/tag.hpp"
#include "bert/labels/bio.hpp"
#include "bert/objectives/tag_cross_entropy.hpp"
#include "bert/training/trainer.hpp"

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};
struct names : bert::labels::bio<"PER"> {};
#ifdef BERT_MISTAKE
using carried = bert::target_list<bert::target::label>;
#else
using carried = bert::target_list<bert::target::tag>;
#endif

int main() {
  auto model = bert::model<pocket, bert::heads::tag<names>>::random({.stddev = 0.02f, .seed = 1});
  bert::trainer trainer{model, bert::objectives::tag_cross_entropy{}, bert::optim::adamw{},
                        bert::schedules::warmup_linear{.peak = 1e-4f, .warmup = 1, .total = 2}};
  const bert::data::labeled_batches<carried> batches(nullptr, nullptr, 1, {});
  for (const auto& step : trainer.over(batches)) return static_cast<int>(step.index);
  return 0;
}
