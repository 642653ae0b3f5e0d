// bert::ensure shows the rule, the facts as types and the fix.
// Message: hidden is no multiple of heads; change one of them
// Message(g++): facts<hidden<770>, ?heads<12> ?>
// Message(clang++): ensure<.*facts<hidden<770>, heads<12>>>
#include "bert/core/ensure.hpp"

template <int N>
struct hidden {};
template <int N>
struct heads {};

template <int Hidden, int Heads>
struct split {
  static_assert(bert::ensure<Hidden % Heads == 0, bert::facts<hidden<Hidden>, heads<Heads>>>,
                "hidden is no multiple of heads; change one of them");
};

int main() {
  [[maybe_unused]] split<768, 12> right;
#ifdef BERT_MISTAKE
  [[maybe_unused]] split<770, 12> wrong;
#endif
}
