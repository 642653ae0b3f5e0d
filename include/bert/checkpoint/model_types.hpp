// The types of models in config.json: those that can be opened with the names of their keys, and why others cannot.
// Layer: checkpoint. Test: tests/unit/checkpoint/model_types_test.cpp
#ifndef BERT_CHECKPOINT_MODEL_TYPES_HPP
#define BERT_CHECKPOINT_MODEL_TYPES_HPP

#include <array>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::models {

/// What a type of model calls its sizes in config.json, and the beginning of its classes' names in transformers.
struct keys {
  std::string_view model_type, class_name;
  const char *hidden, *layers, *heads, *intermediate, *activation, *dropout, *attention_dropout;
};

inline constexpr std::array<keys, 3> opened{
    {{"bert", "Bert", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
      "hidden_dropout_prob", "attention_probs_dropout_prob"},
     {"distilbert", "DistilBert", "dim", "n_layers", "n_heads", "hidden_dim", "activation", "dropout", "attention_dropout"},
     {"electra", "Electra", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
      "hidden_dropout_prob", "attention_probs_dropout_prob"}}};

/// The keys of a type, or nullptr if it cannot be opened.
[[nodiscard]] constexpr const keys* find(std::string_view model_type) noexcept {
  for (const auto& k : opened)
    if (k.model_type == model_type) return &k;
  return nullptr;
}

/// A type that cannot be opened: what it is, and what opening it would need.
struct other_model {
  std::string_view model_type, why;
};

inline constexpr std::array<other_model, 16> others{
    {{"roberta", "RoBERTa is a BERT whose tokenizer is a byte-level BPE and whose positions count from 2: it would need both"},
     {"xlm-roberta",
      "XLM-R is a BERT whose tokenizer is SentencePiece's Unigram and whose positions count from 2: it would need both"},
     {"camembert",
      "CamemBERT is a RoBERTa whose tokenizer is SentencePiece's Unigram: it would need that and positions from 2"},
     {"albert",
      "ALBERT's layers share their weights, its embeddings are projected, its tokenizer is SentencePiece's Unigram: it would "
      "need all three"},
     {"mpnet",
      "MPNet adds a bias by distance to the scores of attention, and its positions count from 2: it would need an attention "
      "policy and embeddings for these"},
     {"modernbert",
      "ModernBERT has norms before the blocks, rotated positions, gated activations, windows of attention and a BPE "
      "tokenizer: it would need an encoder layer and a tokenizer of its own"},
     {"deberta", "DeBERTa attends to content and distance apart, and its tokenizer is a BPE: it would need both"},
     {"deberta-v2",
      "DeBERTa v2 and v3 attend to content and distance apart, and their tokenizer is SentencePiece's: it would need both"},
     {"nomic_bert", "nomic-bert has rotated positions and gated activations: it would need an encoder layer of its own"},
     {"new", "gte-v1.5 has rotated positions and gated activations: it would need an encoder layer of its own"},
     {"mobilebert", "MobileBERT's layers have bottlenecks, its norms have no means: it would need an encoder layer of its own"},
     {"squeezebert", "SqueezeBERT's products are grouped convolutions: it would need an encoder layer of its own"},
     {"convbert", "ConvBERT's attention has convolutions beside it: it would need an encoder layer of its own"},
     {"xlnet", "XLNet has relative positions, and its tokenizer is SentencePiece's: it would need both"},
     {"t5", "T5 is an encoder and a decoder with relative positions: no BERT"},
     {"gpt2", "GPT-2 is a decoder: no BERT"}}};

/// What a model of another type is and what opening it would need, for an error.
[[nodiscard]] constexpr const char* why_not(std::string_view model_type) noexcept {
  for (const auto& o : others)
    if (o.model_type == model_type) return o.why.data();  // literals end in a zero
  return "no model of this type can be opened: it would need an architecture of its own modules (docs/architecture.md)";
}

}  // namespace bert::models

#endif  // BERT_CHECKPOINT_MODEL_TYPES_HPP
