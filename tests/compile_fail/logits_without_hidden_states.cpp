// Logits from a file have no hidden states to learn from.
// Message: bert::objectives::distil: logits alone have no hidden states or projections; teach with a bert::frozen model
// Message: facts<.*given_logits.*hidden_states
#include "bert/objectives/cross_entropy.hpp"
#include "bert/objectives/distil/distil.hpp"

int main() {
#ifdef BERT_MISTAKE
  const bert::objectives::distil objective{
      bert::objectives::given_logits<>{}, bert::objectives::cross_entropy{}, {.temperature = 2}, bert::objectives::hidden_states{}};
#else
  const bert::objectives::distil objective{bert::objectives::given_logits<>{}, bert::objectives::cross_entropy{}, {.temperature = 2}};
#endif
  return static_cast<int>(objective.taps().any());
}
