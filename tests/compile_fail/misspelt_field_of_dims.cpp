// The compiler names a field that dims does not have, with the type.
// Message(g++): 'bert::dims' has no non-static data member named 'layer'
// Message(clang++): field designator 'layer' does not refer to any field in type 'bert::dims'
#include "bert/model/dims.hpp"

#ifdef BERT_MISTAKE
#define LAYERS layer
#else
#define LAYERS layers
#endif

struct pocket : bert::architecture_of<bert::dims{.vocab = 8'192, .hidden = 256, .LAYERS = 4, .heads = 4, .intermediate = 1'024}> {};

int main() { return pocket::heads - 4; }
