// Converts tensor names of files, old and new, to those of the parameter table.
// Layer: checkpoint. Test: tests/unit/checkpoint/weights_test.cpp
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::pipelines {

inline constexpr std::string_view word_embeddings = "bert.embeddings.word_embeddings.weight";
inline constexpr std::string_view decoder_weight = "cls.predictions.decoder.weight";
inline constexpr std::string_view decoder_bias = "cls.predictions.decoder.bias";
inline constexpr std::string_view predictions_bias = "cls.predictions.bias";

/// Prefixes that wrappers add to tensor names: data-parallel training, torch.compile, Lightning, sentence-transformers.
inline constexpr std::array<std::string_view, 5> wrapper_prefixes{"module.", "_orig_mod.", "0.auto_model.", "auto_model.",
                                                                  "model."};

/// The name in the parameter table of a file's tensor `stored`. Removes prefixes of wrappers, adds "bert." to BertModel's
/// names, and renames a norm's gamma and beta (TensorFlow's, and PyTorch's until 2019) to weight and bias, and pytorch-crf's
/// names of starts and ends.
[[nodiscard]] inline std::string canonical_name(std::string_view stored) {
  for (bool again = true; again;) {
    again = false;
    for (const auto prefix : wrapper_prefixes)
      if (stored.starts_with(prefix)) {
        stored.remove_prefix(prefix.size());
        again = true;
      }
  }
  std::string name;
  for (const std::string_view module : {"embeddings.", "encoder.", "pooler."})
    if (stored.starts_with(module)) name = "bert.";
  name += stored;
  if (name.ends_with(".LayerNorm.gamma")) name.replace(name.size() - 5, 5, "weight");
  else if (name.ends_with(".LayerNorm.beta")) name.replace(name.size() - 4, 4, "bias");
  else if (name == "crf.start_transitions") name = "crf.start";
  else if (name == "crf.end_transitions") name = "crf.end";
  return name;
}

/// Whether a tensor belongs to some BERTs only: other heads, and constant buffers of old files. A model without it skips it
/// without a note.
[[nodiscard]] inline bool belongs_elsewhere(std::string_view canonical) noexcept {
  constexpr std::array prefixes{"cls.predictions.", "cls.seq_relationship.", "bert.pooler.dense.",
                                "classifier.",      "qa_outputs.",           "crf."};
  constexpr std::array buffers{"bert.embeddings.position_ids", "bert.embeddings.token_type_ids"};
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const char* p) { return canonical.starts_with(p); }) ||
         std::any_of(buffers.begin(), buffers.end(), [&](const char* b) { return canonical == b; });
}

/// Whether a name is within the encoder. A tensor there that the model lacks (a layer, an adapter, a bias) would change
/// outputs.
[[nodiscard]] inline bool within_encoder(std::string_view canonical) noexcept { return canonical.starts_with("bert."); }

}  // namespace bert::pipelines
