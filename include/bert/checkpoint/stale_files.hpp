// What a save removes: files of another form that would be read in place of those just written.
// Layer: checkpoint. Test: tests/unit/checkpoint/stale_files_test.cpp
#pragma once

#include <array>

#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Other forms of a tokenizer. A tokenizer.json outvotes vocab.txt in transformers, and here.
inline constexpr std::array stale_tokenizer_files{"tokenizer.json", "special_tokens_map.json", "added_tokens.json"};

/// Other forms of a model's weights.
inline constexpr std::array stale_weight_files{"model.safetensors.index.json", "pytorch_model.bin",
                                               "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"};

}  // namespace bert::pipelines
