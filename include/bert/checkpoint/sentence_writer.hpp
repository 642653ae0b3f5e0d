// Writes the files of sentence-transformers beside a model that embeds sentences.
// Layer: checkpoint. Test: tests/unit/checkpoint/sentence_writer_test.cpp
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "bert/checkpoint/sentence_files.hpp"
#include "bert/core/isa.hpp"
#include "bert/heads/embedding.hpp"
#include "bert/io/atomic_folder.hpp"
#include "bert/io/json.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// A head that embeds by one of the poolings that a folder can name.
template <class Head>
concept saved_embedding = heads::predicts<Head, target::embedding> && requires {
  typename Head::pooling_type;
  requires std::same_as<typename Head::pooling_type, pooling::mean> ||
      std::same_as<typename Head::pooling_type, pooling::cls> || std::same_as<typename Head::pooling_type, pooling::max>;
};

/// The first such head, or void.
template <class... Heads>
struct first_saved_embedding {
  using type = void;
};
template <class Head, class... Heads>
struct first_saved_embedding<Head, Heads...> : first_saved_embedding<Heads...> {};
template <saved_embedding Head, class... Heads>
struct first_saved_embedding<Head, Heads...> {
  using type = Head;
};

/// modules.json, 1_Pooling/config.json and sentence_bert_config.json, so that `embedder` and sentence-transformers pool the
/// vectors as `Head` does. Normalize has no file of its own.
template <class Head, class A>
void write_sentence_files(io::atomic_folder& out) {
  using policy = typename Head::pooling_type;
  io::json modules = io::json::array();
  const auto add = [&](const char* kind, const char* path) {
    io::json module = io::json::object();
    const std::string number = std::to_string(modules.size());
    module["idx"] = static_cast<int>(modules.size());
    module["name"] = number;
    module["path"] = path;
    module["type"] = std::string("sentence_transformers.models.") + kind;
    modules.push_back(std::move(module));
  };
  add("Transformer", "");
  add("Pooling", "1_Pooling");
  if (Head::normalizes) {
    add("Normalize", "2_Normalize");
    out.folder("2_Normalize");
  }
  out.file("modules.json").write(io::to_text(modules));

  io::json pooled = io::json::object();
  pooled["word_embedding_dimension"] = A::hidden;
  pooled["pooling_mode_cls_token"] = std::is_same_v<policy, pooling::cls>;
  pooled["pooling_mode_mean_tokens"] = std::is_same_v<policy, pooling::mean>;
  pooled["pooling_mode_max_tokens"] = std::is_same_v<policy, pooling::max>;
  for (const char* other : {"pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"})
    pooled[other] = false;
  pooled["include_prompt"] = true;
  out.folder("1_Pooling");
  out.file("1_Pooling/config.json").write(io::to_text(pooled));

  io::json limits = io::json::object();
  limits["max_seq_length"] = A::positions;
  limits["do_lower_case"] = false;
  out.file("sentence_bert_config.json").write(io::to_text(limits));
}

/// The same for a model's heads; nothing if none of them embeds.
template <class A, class... Heads>
void write_sentence_files(io::atomic_folder& out, const model<A, Heads...>&) {
  using head = typename first_saved_embedding<Heads...>::type;
  if constexpr (!std::is_void_v<head>) write_sentence_files<head, A>(out);
}

}  // namespace bert::pipelines
