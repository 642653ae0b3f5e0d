// A model is frozen in a precision policy; `float` is none.
// Message: bert::frozen: the precision must be one of bert::precision, f32 for example, or satisfy bert::precision_policy
#include "bert/model/session.hpp"

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};

int main() {
#ifdef BERT_MISTAKE
  const auto frozen = bert::freeze<float>(bert::model<pocket>::blank());
#else
  const auto frozen = bert::freeze<bert::precision::bf16>(bert::model<pocket>::blank());
#endif
  return frozen.sizes().vocab == 8'192 ? 0 : 1;
}
