// Converts tensor names of files, old and new, to those of the parameter table.
// Layer: checkpoint. Test: tests/unit/checkpoint/weights_test.cpp
#ifndef BERT_CHECKPOINT_TENSOR_NAMES_HPP
#define BERT_CHECKPOINT_TENSOR_NAMES_HPP

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::pipelines {

inline constexpr std::string_view word_embeddings = "bert.embeddings.word_embeddings.weight";
inline constexpr std::string_view decoder_weight = "cls.predictions.decoder.weight";
inline constexpr std::string_view decoder_bias = "cls.predictions.decoder.bias";
inline constexpr std::string_view predictions_bias = "cls.predictions.bias";

/// Prefixes that wrappers add to tensor names: data-parallel training, torch.compile, Lightning, sentence-transformers.
inline constexpr std::array<std::string_view, 5> wrapper_prefixes{"module.", "_orig_mod.", "0.auto_model.", "auto_model.",
                                                                  "model."};

/// A part of a tensor's name in another model's files, and in the parameter table.
struct renamed_part {
  std::string_view other, table;
};

/// DistilBERT's names within a layer.
inline constexpr std::array<renamed_part, 8> distilbert_layer{{{"attention.q_lin.", "attention.self.query."},
                                                               {"attention.k_lin.", "attention.self.key."},
                                                               {"attention.v_lin.", "attention.self.value."},
                                                               {"attention.out_lin.", "attention.output.dense."},
                                                               {"sa_layer_norm.", "attention.output.LayerNorm."},
                                                               {"ffn.lin1.", "intermediate.dense."},
                                                               {"ffn.lin2.", "output.dense."},
                                                               {"output_layer_norm.", "output.LayerNorm."}}};
/// And outside the layers.
inline constexpr std::array<renamed_part, 5> distilbert_heads{{{"pre_classifier.", "bert.pooler.dense."},
                                                               {"vocab_transform.", "cls.predictions.transform.dense."},
                                                               {"vocab_layer_norm.", "cls.predictions.transform.LayerNorm."},
                                                               {"vocab_projector.weight", decoder_weight},
                                                               {"vocab_projector.bias", predictions_bias}}};
/// The classifier of ELECTRA's texts; that of its tokens is BERT's.
inline constexpr std::array<renamed_part, 2> electra_heads{
    {{"classifier.dense.", "bert.pooler.dense."}, {"classifier.out_proj.", "classifier."}}};

namespace detail {

/// Replaces a beginning of `name` by the other side of the table's row that has it, if there is one.
[[nodiscard]] inline std::string with_part(std::string_view name, std::span<const renamed_part> parts,
                                           std::string_view renamed_part::*from, std::string_view renamed_part::*to) {
  for (const auto& part : parts)
    if (name.starts_with(part.*from)) return std::string(part.*to) + std::string(name.substr((part.*from).size()));
  return std::string(name);
}

/// "3." of "3.attention.q_lin.weight".
[[nodiscard]] inline std::string_view layer_number(std::string_view name) noexcept {
  return name.substr(0, std::min(name.find('.'), name.size() - 1) + 1);
}

}  // namespace detail

/// The name in the parameter table of a file's tensor `stored`, of a model of `model_type`. Removes prefixes of wrappers, adds
/// "bert." to BertModel's names, and renames a norm's gamma and beta (TensorFlow's, and PyTorch's until 2019) to weight and
/// bias, pytorch-crf's names of starts and ends, and all that DistilBERT and ELECTRA call otherwise.
[[nodiscard]] inline std::string canonical_name(std::string_view stored, std::string_view model_type = "bert") {
  for (bool again = true; again;) {
    again = false;
    for (const auto prefix : wrapper_prefixes)
      if (stored.starts_with(prefix)) {
        stored.remove_prefix(prefix.size());
        again = true;
      }
  }
  std::string other;
  if (model_type != "bert") {
    const bool distilbert = model_type == "distilbert";
    const std::string own = std::string(model_type) + '.';
    if (stored.starts_with(own)) stored.remove_prefix(own.size());
    constexpr std::string_view layers = "transformer.layer.";
    if (distilbert && stored.starts_with(layers)) {
      stored.remove_prefix(layers.size());
      const auto number = detail::layer_number(stored);
      other =
          cat("encoder.layer.", number,
              detail::with_part(stored.substr(number.size()), distilbert_layer, &renamed_part::other, &renamed_part::table));
    } else {
      other = detail::with_part(stored, distilbert ? std::span<const renamed_part>(distilbert_heads) : electra_heads,
                                &renamed_part::other, &renamed_part::table);
    }
    stored = other;
  }
  std::string name;
  for (const std::string_view module : {"embeddings.", "embeddings_project.", "encoder.", "pooler."})
    if (stored.starts_with(module)) name = "bert.";
  name += stored;
  if (name.ends_with(".LayerNorm.gamma")) name.replace(name.size() - 5, 5, "weight");
  else if (name.ends_with(".LayerNorm.beta")) name.replace(name.size() - 4, 4, "bias");
  else if (name == "crf.start_transitions") name = "crf.start";
  else if (name == "crf.end_transitions") name = "crf.end";
  return name;
}

/// The name in a file of the table's tensor `canonical`: the inverse of `canonical_name`. `of_texts`: whether the model
/// classifies texts by its pooler.
[[nodiscard]] inline std::string stored_name(std::string canonical, std::string_view model_type, bool of_texts) {
  if (model_type == "bert") return canonical;
  constexpr std::string_view layers = "bert.encoder.layer.", encoder = "bert.";
  const bool distilbert = model_type == "distilbert";
  if (distilbert && canonical.starts_with(layers)) {
    const std::string_view rest = std::string_view(canonical).substr(layers.size());
    const auto number = detail::layer_number(rest);
    return cat("distilbert.transformer.layer.", number,
               detail::with_part(rest.substr(number.size()), distilbert_layer, &renamed_part::table, &renamed_part::other));
  }
  if (distilbert || of_texts)
    canonical = detail::with_part(canonical, distilbert ? std::span<const renamed_part>(distilbert_heads) : electra_heads,
                                  &renamed_part::table, &renamed_part::other);
  if (canonical.starts_with(encoder)) canonical.replace(0, encoder.size(), std::string(model_type) + '.');
  return canonical;
}

/// Whether a tensor belongs to some BERTs only: other heads, and constant buffers of old files. A model without it skips it
/// without a note.
[[nodiscard]] inline bool belongs_elsewhere(std::string_view canonical) noexcept {
  constexpr std::array prefixes{
      "cls.predictions.",          "cls.seq_relationship.", "bert.pooler.dense.", "classifier.", "qa_outputs.", "crf.",
      "discriminator_predictions."};
  constexpr std::array buffers{"bert.embeddings.position_ids", "bert.embeddings.token_type_ids"};
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const char* p) { return canonical.starts_with(p); }) ||
         std::any_of(buffers.begin(), buffers.end(), [&](const char* b) { return canonical == b; });
}

/// Whether a name is within the encoder. A tensor there that the model lacks (a layer, an adapter, a bias) would change
/// outputs.
[[nodiscard]] inline bool within_encoder(std::string_view canonical) noexcept { return canonical.starts_with("bert."); }

}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_TENSOR_NAMES_HPP
