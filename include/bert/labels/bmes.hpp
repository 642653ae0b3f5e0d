// Entity tags with ends, spelled with M: O, then B-, M-, E- and S- of each entity type, as Chinese corpora write them.
// Layer: labels. Test: tests/unit/labels/bioes_test.cpp. Paper: Xue 2003, "Chinese word segmentation as character tagging".
#ifndef BERT_LABELS_BMES_HPP
#define BERT_LABELS_BMES_HPP

#include "bert/core/fixed_string.hpp"
#include "bert/core/isa.hpp"
#include "bert/labels/bioes.hpp"

namespace bert::inline BERT_ISA::labels {

/// `struct entities : bert::labels::bmes<"NAME", "ORG"> {};` has the tags O, B-NAME, M-NAME, E-NAME, S-NAME, B-ORG, …, from 0
/// on: those of `bioes` with M for I. For word segmentation take `one_of<"B", "M", "E", "S">`, whose transitions
/// labels::scheme_of finds by the names.
template <fixed_string... Types>
struct bmes : entities_with_ends<'M', Types...> {};

}  // namespace bert::labels

#endif  // BERT_LABELS_BMES_HPP
