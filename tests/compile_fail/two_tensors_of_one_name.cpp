// Tensor names of a model are unique, as its file needs them to be: two heads with one tensor name do not compile.
// Message: bert::model: two tensors have one name, which the file of weights could not tell apart; give one of the two heads tensors of another name
// Message(g++): repeated_tensor<.*"classifier.weight"
// Message(clang++): repeated_tensor<.*'c', 'l', 'a', 's', 's', 'i', 'f', 'i', 'e', 'r', '\.', 'w', 'e', 'i', 'g', 'h', 't'
#include "bert/heads/classify.hpp"
#include "bert/labels/one_of.hpp"

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};
struct topic : bert::labels::one_of<"sport", "politics"> {};
struct tone : bert::labels::one_of<"calm", "angry"> {};

struct topics : bert::heads::classify<topic> {};
struct tones : bert::heads::classify<tone> {
#ifndef BERT_MISTAKE
  template <class A>
  static constexpr auto parameters() {
    auto tensors = bert::heads::classify<tone>::parameters<A>();
    tensors[0].stem = "tone.weight";
    tensors[1].stem = "tone.bias";
    return tensors;
  }
#endif
};

int main() {
  using two = bert::model<pocket, topics, tones>;
  return static_cast<int>(two::head_count);
}
