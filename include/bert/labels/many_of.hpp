// A set of names as a type, any number of which applies to a text.
// Layer: labels. Test: tests/unit/labels/many_of_test.cpp
#ifndef BERT_LABELS_MANY_OF_HPP
#define BERT_LABELS_MANY_OF_HPP

#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/labels/one_of.hpp"

namespace bert::inline BERT_ISA::labels {

/// `struct emotions : bert::labels::many_of<"joy", "anger", "fear"> {};` numbers its names as `one_of` does. The name says how
/// the set is meant, for heads::classify_many; one_of and dynamic_set do as well.
template <fixed_string... Names>
struct many_of : one_of<Names...> {};

}  // namespace bert::labels

#endif  // BERT_LABELS_MANY_OF_HPP
