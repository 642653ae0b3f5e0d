// The first argument of a model must be an architecture; a struct of sizes is none.
// Message: bert::model: the first argument must be an architecture; derive a struct from bert::architecture_of<bert::dims\{\.\.\.\}>
// Message: facts<sizes>
#include "bert/model/model.hpp"

struct sizes {
  int hidden = 256, layers = 4;
};
struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};

int main() {
#ifdef BERT_MISTAKE
  using encoder = bert::model<sizes>;
#else
  using encoder = bert::model<pocket>;
#endif
  return encoder::head_count;
}
