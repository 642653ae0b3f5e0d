// The heads of an architecture must divide its hidden size.
// Message: bert::dims: hidden must be a multiple of heads; change .hidden or .heads
// Message: facts<bert::fact::hidden<770>, ?bert::fact::heads<12> ?>
#include "bert/model/dims.hpp"

#ifdef BERT_MISTAKE
inline constexpr int size = 770;
#else
inline constexpr int size = 768;
#endif

struct pocket : bert::architecture_of<bert::dims{.vocab = 30'522, .hidden = size, .layers = 2, .heads = 12, .intermediate = 3'072}> {};

int main() { return pocket::layers - 2; }
