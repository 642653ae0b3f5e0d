// What a save removes: files of another form that would be read in place of those just written.
// Layer: checkpoint. Test: tests/unit/checkpoint/stale_files_test.cpp
#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Other forms of a tokenizer. A tokenizer.json outvotes vocab.txt in transformers, and here.
inline constexpr std::array stale_tokenizer_files{"tokenizer.json", "special_tokens_map.json", "added_tokens.json"};

/// Other forms of a model's weights.
inline constexpr std::array stale_weight_files{"model.safetensors.index.json", "pytorch_model.bin",
                                               "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"};

/// Removes those of the names that are in the folder. Throws bert::error if one cannot be removed.
inline void remove_stale(const std::filesystem::path& folder, std::span<const char* const> names) {
  for (const char* name : names) {
    std::error_code failed;
    std::filesystem::remove(folder / name, failed);
    if (failed)
      throw error({(folder / name).string(), "to remove it, as it belongs to what was here before", failed.message(),
                   "remove it by hand"});
  }
}

}  // namespace bert::pipelines
