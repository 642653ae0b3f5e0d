// The files that a save removes: other forms, which would be read instead of those just written.
// Layer: checkpoint. Test: tests/unit/checkpoint/stale_files_test.cpp
#ifndef BERT_CHECKPOINT_STALE_FILES_HPP
#define BERT_CHECKPOINT_STALE_FILES_HPP

#include <array>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Other forms of a tokenizer. A tokenizer.json takes precedence over vocab.txt, in transformers as here.
inline constexpr std::array stale_tokenizer_files{"tokenizer.json", "special_tokens_map.json", "added_tokens.json"};

/// Other forms of a model's weights.
inline constexpr std::array stale_weight_files{"model.safetensors.index.json", "pytorch_model.bin",
                                               "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"};

}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_STALE_FILES_HPP
