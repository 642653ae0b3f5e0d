// The message has the unknown label and the names of the set.
// Message: no such label in this set; write one of the names listed in the facts
// Message(g++): label<.*urgnet.*names<.*routine.*soon.*urgent
// Message(clang++): facts<.*spelled<'u', 'r', 'g', 'n', 'e', 't'>, .*<'r', 'o', 'u', 't', 'i', 'n', 'e'>, .*<'s', 'o', 'o', 'n'>
#include "bert/labels/one_of.hpp"

struct urgency : bert::labels::one_of<"routine", "soon", "urgent"> {};

int main() {
#ifdef BERT_MISTAKE
  return urgency::index<"urgnet">;
#else
  return urgency::index<"urgent"> - 2;
#endif
}
