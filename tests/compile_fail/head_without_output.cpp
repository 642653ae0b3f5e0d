// The message names the type of a head whose workspace lacks a function.
// Message: bert::session: a head's workspace<A> needs a constructor
// Message: facts<.*pocket.*score
#include "bert/heads/token_linear.hpp"
#include "bert/model/session.hpp"

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};
struct score : bert::heads::token_linear<"score.weight", "score.bias", 1> {
#ifdef BERT_MISTAKE
  template <class A>
  class workspace : public token_linear::workspace<A> {
   public:
    using token_linear::workspace<A>::workspace;

   private:
    using token_linear::workspace<A>::output;
  };
#endif
};

int main() {
  const auto frozen = bert::freeze(bert::model<pocket, score>::random());
  return static_cast<int>(frozen.session({.sequences = 1, .tokens = 8}).capacity().sequences) - 1;
}
