// The message names the functions that a head's tape needs.
// Message: bert::tape: a head's tape<A> needs a constructor
// Message: backward\(executor, const module_parameters<const float>&
#include "bert/heads/token_linear.hpp"
#include "bert/model/tape.hpp"

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};
struct score : bert::heads::token_linear<"score.weight", "score.bias", 1> {
#ifdef BERT_MISTAKE
  template <class A>
  class tape : public token_linear::tape<A> {
   public:
    using token_linear::tape<A>::tape;
    void backward() noexcept;  // hides the base's
  };
#endif
};

int main() {
  const bert::tape<bert::model<pocket, score>> tape({.sequences = 1, .tokens = 8}, {.vocab = pocket::vocab});
  return static_cast<int>(tape.capacity().sequences) - 1;
}
