// The message has the unknown tag and the entity types of the set.
// Message: no such tag in this set
// Message(g++): label<.*I-PRE.*names<.*PER.*ORG
// Message(clang++): facts<.*spelled<'I', '-', 'P', 'R', 'E'>, .*<'P', 'E', 'R'>, .*<'O', 'R', 'G'>
#include "bert/labels/bio.hpp"

struct entities : bert::labels::bio<"PER", "ORG"> {};
static_assert(not entities::allows<"O", "I-PER">);

int main() {
#ifdef BERT_MISTAKE
  return entities::allows<"O", "I-PRE">;
#endif
}
