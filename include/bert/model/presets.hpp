// The architectures of published BERTs.
// Layer: model. Test: tests/unit/model/dims_test.cpp. Papers: Devlin et al. 2019; Turc et al. 2019 (tiny to medium);
// Wang et al. 2020 (MiniLM).
#pragma once

#include "bert/core/isa.hpp"
#include "bert/model/dims.hpp"

namespace bert::inline BERT_ISA::arch {

struct tiny : architecture_of<dims{.vocab = 30'522, .hidden = 128, .layers = 2, .heads = 2, .intermediate = 512}> {};
struct mini : architecture_of<dims{.vocab = 30'522, .hidden = 256, .layers = 4, .heads = 4, .intermediate = 1'024}> {};
struct small : architecture_of<dims{.vocab = 30'522, .hidden = 512, .layers = 4, .heads = 8, .intermediate = 2'048}> {};
struct medium : architecture_of<dims{.vocab = 30'522, .hidden = 512, .layers = 8, .heads = 8, .intermediate = 2'048}> {};
struct base_uncased : architecture_of<dims{.vocab = 30'522, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3'072}> {
};
struct base_cased : architecture_of<dims{.vocab = 28'996, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3'072}> {};
struct base_chinese : architecture_of<dims{.vocab = 21'128, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3'072}> {
};
struct base_multilingual_cased
    : architecture_of<dims{.vocab = 119'547, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3'072}> {};
struct large_uncased
    : architecture_of<dims{.vocab = 30'522, .hidden = 1'024, .layers = 24, .heads = 16, .intermediate = 4'096}> {};
struct large_cased : architecture_of<dims{.vocab = 28'996, .hidden = 1'024, .layers = 24, .heads = 16, .intermediate = 4'096}> {
};
struct minilm_l6 : architecture_of<dims{.vocab = 30'522, .hidden = 384, .layers = 6, .heads = 12, .intermediate = 1'536}> {};
struct minilm_l12 : architecture_of<dims{.vocab = 30'522, .hidden = 384, .layers = 12, .heads = 12, .intermediate = 1'536}> {};

/// DistilBERT (Sanh et al. 2019).
struct distilbert_base : distilbert_of<dims{.vocab = 30'522, .hidden = 768, .layers = 6, .heads = 12, .intermediate = 3'072}> {
};
struct distilbert_base_cased
    : distilbert_of<dims{.vocab = 28'996, .hidden = 768, .layers = 6, .heads = 12, .intermediate = 3'072}> {};
struct distilbert_base_multilingual
    : distilbert_of<dims{.vocab = 119'547, .hidden = 768, .layers = 6, .heads = 12, .intermediate = 3'072}> {};
/// ELECTRA's discriminators (Clark et al. 2020).
struct electra_base : electra_of<dims{.vocab = 30'522, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3'072}> {};
struct electra_large : electra_of<dims{.vocab = 30'522, .hidden = 1'024, .layers = 24, .heads = 16, .intermediate = 4'096}> {};

}  // namespace bert::arch
