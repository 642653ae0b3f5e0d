// Every argument of a model after its architecture must be a head.
// Message: bert::model: every argument after the first must be a head; take one from bert::heads or satisfy bert::head_for
#include "bert/model/model.hpp"

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};

int main() {
#ifdef BERT_MISTAKE
  using encoder = bert::model<pocket, pocket>;
  return encoder::head_count;
#else
  using encoder = bert::model<pocket>;
  return encoder::head_count;
#endif
}
