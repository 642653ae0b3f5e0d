// The architectures of published BERTs.
// Layer: model. Test: tests/unit/model/dims_test.cpp. Papers: Devlin et al. 2019; Turc et al. 2019 (tiny to medium);
// Wang et al. 2020 (MiniLM); and at the models.
#ifndef BERT_MODEL_PRESETS_HPP
#define BERT_MODEL_PRESETS_HPP

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

struct base_multilingual_uncased
    : architecture_of<dims{.vocab = 105'879, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3'072}> {};
struct large_chinese
    : architecture_of<dims{.vocab = 21'128, .hidden = 1'024, .layers = 24, .heads = 16, .intermediate = 4'096}> {};

// Models by the names that people know. A name without its version has the sizes of all of them: bge_small_en of v1 and v1.5.
// What pools and which prompts there are is in a model's folder: see bert::embedder with pooling::from_folder.

// Sentence vectors of English.
struct all_minilm_l6 : minilm_l6 {};
struct all_minilm_l12 : minilm_l12 {};
struct bge_small_en : minilm_l12 {};
struct bge_base_en : base_uncased {};
struct bge_large_en : large_uncased {};
struct e5_small : minilm_l12 {};
struct e5_base : base_uncased {};
struct e5_large : large_uncased {};
struct gte_small : minilm_l12 {};
struct gte_base : base_uncased {};
struct gte_large : large_uncased {};
struct mxbai_embed_large : large_uncased {};
struct arctic_embed_xs : minilm_l6 {};
struct arctic_embed_s : minilm_l12 {};
struct arctic_embed_m : base_uncased {};
struct arctic_embed_l : large_uncased {};

// Of Chinese, and of 109 languages.
struct bge_small_zh : architecture_of<dims{.vocab = 21'128, .hidden = 512, .layers = 4, .heads = 8, .intermediate = 2'048}> {};
struct bge_base_zh : base_chinese {};
struct bge_large_zh : large_chinese {};
struct labse : architecture_of<dims{.vocab = 501'153, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3'072}> {};

// Pretrained on Chinese (Cui et al. 2020, 2021): whole words masked; "roberta" in a name is the training, the model is a BERT.
struct macbert_base : base_chinese {};
struct macbert_large : large_chinese {};
struct chinese_bert_wwm : base_chinese {};
struct chinese_roberta_wwm : base_chinese {};
struct chinese_roberta_wwm_large : large_chinese {};

// On papers (Beltagy et al. 2019) and on biomedical texts (Lee et al. 2020, BioBERT from v1.1 on).
struct scibert_uncased
    : architecture_of<dims{.vocab = 31'090, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3'072}> {};
struct biobert : base_cased {};

// Rerankers trained on MS MARCO.
struct ms_marco_tinybert_l2 : tiny {};
struct ms_marco_minilm_l2
    : architecture_of<dims{.vocab = 30'522, .hidden = 384, .layers = 2, .heads = 12, .intermediate = 1'536}> {};
struct ms_marco_minilm_l4
    : architecture_of<dims{.vocab = 30'522, .hidden = 384, .layers = 4, .heads = 12, .intermediate = 1'536}> {};
struct ms_marco_minilm_l6 : minilm_l6 {};
struct ms_marco_minilm_l12 : minilm_l12 {};

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

#endif  // BERT_MODEL_PRESETS_HPP
