// Writes the files of sentence-transformers beside a model that embeds sentences.
// Layer: checkpoint. Test: tests/unit/checkpoint/sentence_writer_test.cpp
#ifndef BERT_CHECKPOINT_SENTENCE_WRITER_HPP
#define BERT_CHECKPOINT_SENTENCE_WRITER_HPP

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/checkpoint/sentence_files.hpp"
#include "bert/checkpoint/weights.hpp"
#include "bert/core/ensure.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/heads/embedding.hpp"
#include "bert/io/atomic_folder.hpp"
#include "bert/io/json.hpp"
#include "bert/io/safetensors_writer.hpp"
#include "bert/model/model.hpp"

namespace bert::inline BERT_ISA::pipelines {

/// A head that embeds by one of the poolings that a folder can name.
template <class Head>
concept saved_embedding = heads::predicts<Head, target::embedding> && requires {
  typename Head::pooling_type;
  typename Head::dense_type;
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

/// The name of a dense layer's activation in a folder; "" for one of your own, which no folder can name.
template <class Activation>
[[nodiscard]] constexpr std::string_view dense_activation_name() noexcept {
  if constexpr (std::same_as<Activation, kernels::tanh_activation>) return "tanh";
  else if constexpr (std::same_as<Activation, heads::identity>) return "identity";
  else if constexpr (std::same_as<Activation, kernels::relu>) return "relu";
  else if constexpr (std::same_as<Activation, kernels::gelu_erf>) return "gelu";
  else return "";
}

/// The Dense module of an embedding head's type, or "no Dense".
template <class Head, class A>
[[nodiscard]] std::string dense_text() {
  if constexpr (Head::has_dense)
    return dense_text(A::hidden, Head::dense_type::outputs, dense_activation_name<typename Head::dense_type::activation>());
  else return "no Dense";
}
/// Throws bert::error, naming both, unless the folder has the dense layer of `Head`, or none as `Head` has none, and a pooling
/// that a head can have.
template <class Head, class A>
void check_sentence_head(const sentence_settings& s, const std::filesystem::path& folder) {
  const std::string mine = dense_text<Head, A>(), found = dense_text(s);
  if (mine != found)
    throw_error({path_text(folder / "modules.json"), mine + ", as the head's type says", found,
                 "load the encoder alone and give it another head, or embed with bert::pooling::from_folder"});
  // sum / sqrt(T) has the direction of the mean, which is all that is left at unit length.
  constexpr auto last = Head::normalizes && !Head::has_dense ? pooling::mode::mean_sqrt_len : pooling::mode::mean;
  constexpr std::string_view pooled = pooling_name<typename Head::pooling_type>();
  if (s.poolings.size() != 1 || s.poolings.front() > last || (Head::has_dense && s.pooling != pooled))
    throw_error({s.pooling_file, cat("the pooling of the head's type, ", pooled), s.pooling,
                 "load the encoder alone and give it another head, or embed with bert::pooling::from_folder"});
}

/// modules.json, 1_Pooling/config.json, 2_Dense and sentence_bert_config.json, so that `embedder` and sentence-transformers
/// make the vectors as `Head` does. `dense` are the tensors of a dense layer, by the names in its folder. Normalize has no file
/// of its own.
template <class Head, class A>
void write_sentence_files(io::atomic_folder& out, std::span<const io::stored_tensor> dense) {
  using policy = typename Head::pooling_type;
  io::json modules = io::json::array();
  const auto add = [&](const char* kind, const std::string& path) {
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
  if constexpr (Head::has_dense) {
    using layer = typename Head::dense_type;
    static_assert(ensure<!dense_activation_name<typename layer::activation>().empty(), facts<typename layer::activation>>,
                  "bert::save: no folder can name this activation of a dense layer; take kernels::tanh_activation, "
                  "kernels::gelu_erf, kernels::relu or heads::identity");
    const std::string folder(heads::sentence_dense_prefix.substr(0, heads::sentence_dense_prefix.size() - 1));
    add("Dense", folder);
    io::json config = io::json::object();
    config["in_features"] = A::hidden;
    config["out_features"] = layer::outputs;
    config["bias"] = true;
    for (const auto& known : dense_activations)
      if (known.name == dense_activation_name<typename layer::activation>())
        config["activation_function"] = std::string(known.module);
    out.folder(folder);
    out.file(folder + "/config.json").write(io::to_text(config));
    out.remove(folder + "/pytorch_model.bin");
    io::write_safetensors(out.file(folder + "/model.safetensors"), dense);
  }
  if (Head::normalizes) {
    const std::string folder = Head::has_dense ? "3_Normalize" : "2_Normalize";
    add("Normalize", folder);
    out.folder(folder);
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
void write_sentence_files(io::atomic_folder& out, const model<A, Heads...>& m) {
  using head = typename first_saved_embedding<Heads...>::type;
  if constexpr (!std::is_void_v<head>) {
    std::vector<io::stored_tensor> dense;
    for (const parameter& p : m.table())
      if (p.stem.starts_with(heads::sentence_dense_prefix))
        dense.push_back(stored_parameter(m, p, std::string(p.stem.substr(heads::sentence_dense_prefix.size()))));
    write_sentence_files<head, A>(out, dense);
  }
}

}  // namespace bert::pipelines

#endif  // BERT_CHECKPOINT_SENTENCE_WRITER_HPP
