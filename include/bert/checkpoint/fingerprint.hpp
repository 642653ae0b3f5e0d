// Fingerprints of config.json and vocabulary in the weights' metadata: files of two saves are not read as one model.
// Layer: checkpoint. Test: tests/unit/checkpoint/save_faults_test.cpp, tests/unit/checkpoint/fingerprint_test.cpp
#ifndef BERT_CHECKPOINT_FINGERPRINT_HPP
#define BERT_CHECKPOINT_FINGERPRINT_HPP

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "bert/checkpoint/model_config.hpp"
#include "bert/checkpoint/weight_files.hpp"
#include "bert/core/checksum.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/safetensors.hpp"
#include "bert/text/wordpiece/vocabulary.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// Keys of the weights' metadata. Folders of other programs have none of them and are not checked.
inline constexpr const char *sizes_key = "bert.config", *labels_key = "bert.labels", *vocabulary_key = "bert.vocabulary";

/// The sizes of a model in words: "vocab_size 30522, hidden_size 768, …".
[[nodiscard]] inline std::string sizes_fingerprint(const model_config& c) {
  return cat("vocab_size ", c.vocab, ", hidden_size ", c.hidden, ", num_hidden_layers ", c.layers, ", num_attention_heads ",
             c.heads, ", intermediate_size ", c.intermediate, ", max_position_embeddings ", c.positions, ", type_vocab_size ",
             c.segments, ", layer_norm_eps ", c.norm_epsilon, ", hidden_act ", c.activation);
}

/// "3 labels, 0123456789abcdef".
[[nodiscard]] inline std::string labels_fingerprint(const std::vector<std::string>& labels) {
  checksum sum;
  for (const std::string& label : labels) {
    sum.add(label);
    sum.add(std::string_view("\0", 1));
  }
  return cat(labels.size(), " labels, ", sum.text());
}

/// "30522 pieces, 0123456789abcdef".
[[nodiscard]] inline std::string vocabulary_fingerprint(const text::vocabulary& pieces) {
  checksum sum;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    sum.add(pieces.piece(static_cast<token_id>(i)));
    sum.add("\n");
  }
  return cat(pieces.size(), " pieces, ", sum.text());
}

/// The hint for a folder with files of two saves.
[[nodiscard]] inline std::string mixture_hint(const std::filesystem::path& folder, const char* name) {
  std::error_code ignored;
  if (std::filesystem::exists(folder / (std::string(name) + ".part"), ignored))
    return cat("a save was cut off: rename ", name, ".part to ", name, ", or save the model again");
  return cat("restore the ", name, " of these weights, or load the weights alone and save them with the files that they need");
}

/// Throws bert::error unless config.json is the one that was saved with the weights, if their metadata say so. Labels may be
/// renamed by hand, so they are compared only after an interrupted save.
inline void check_config(const weight_files& weights, const model_config& config, const std::filesystem::path& folder) {
  const auto refuse = [&](const std::string& expected, std::string found) {
    throw_error({config.where, cat(expected, ", as ", weights.where(), " was saved with"), std::move(found),
                 mixture_hint(folder, "config.json")});
  };
  for (const io::safetensors& file : weights.safetensors()) {
    const auto& facts = file.metadata();
    if (const auto at = facts.find(sizes_key); at != facts.end())
      if (std::string found = sizes_fingerprint(config); at->second != found) refuse(at->second, std::move(found));
    std::error_code ignored;
    if (const auto at = facts.find(labels_key);
        at != facts.end() && std::filesystem::exists(folder / "config.json.part", ignored))
      if (std::string found = labels_fingerprint(config.labels); at->second != found) refuse(at->second, std::move(found));
  }
}

/// Throws bert::error unless the vocabulary is the one that was saved with the weights of its folder, if there are weights of
/// safetensors and their metadata say so.
inline void check_vocabulary(const std::filesystem::path& folder, const text::vocabulary& pieces) {
  std::error_code ignored;
  const bool whole = std::filesystem::is_regular_file(folder / weight_files::safetensors_name, ignored);
  if (!whole && !std::filesystem::exists(folder / "model.safetensors.index.json", ignored)) return;
  std::string expected;
  BERT_TRY {
    const weight_files weights(folder);
    for (const io::safetensors& file : weights.safetensors())
      if (const auto at = file.metadata().find(vocabulary_key); at != file.metadata().end()) expected = at->second;
  }
  BERT_CATCH(const error&) {
    return;  // weights that cannot be read are an error when they are loaded
  }
  if (std::string found = vocabulary_fingerprint(pieces); !expected.empty() && expected != found)
    throw_error({cat(path_text(folder), ", the vocabulary"), cat(expected, ", as model.safetensors was saved with"),
                 std::move(found), mixture_hint(folder, "vocab.txt")});
}

}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_FINGERPRINT_HPP
