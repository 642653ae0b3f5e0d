// config.json: the sizes of a checkpoint, checked against an architecture.
// Layer: checkpoint. Test: tests/unit/checkpoint/model_config_test.cpp
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/io/json.hpp"
#include "bert/layers/post_norm.hpp"
#include "bert/model/dims.hpp"

namespace bert::inline BERT_ISA {

/// The name that config.json has for an activation policy; a policy of your own brings a `static constexpr std::string_view
/// name`.
template <class Activation>
[[nodiscard]] constexpr std::string_view activation_name() noexcept {
  if constexpr (std::same_as<Activation, activation::gelu_erf>) return "gelu";
  else if constexpr (std::same_as<Activation, activation::gelu_tanh>) return "gelu_new";
  else if constexpr (std::same_as<Activation, activation::relu>) return "relu";
  else return Activation::name;
}

/// What config.json says of a BERT. `where` names the file in errors.
struct model_config {
  int vocab = 0;
  int hidden = 0;
  int layers = 0;
  int heads = 0;
  int intermediate = 0;
  int positions = 512;
  int segments = 2;
  double norm_epsilon = 1e-12;
  std::string activation = "gelu";         ///< "gelu_new" for every spelling of the tanh form
  std::vector<std::string> labels;         ///< names of the classes in order; empty if the file names none
  std::vector<std::string> architectures;  ///< "BertForPreTraining", …
  std::string where = "config.json";

  /// Throws bert::error naming file and key for what is missing, of a wrong type or no BERT.
  [[nodiscard]] static model_config parse(const io::json& j, const std::string& where) {
    model_config c;
    c.where = where;
    if (const auto type = io::value_or<std::string>(j, "model_type", where, "bert"); type != "bert")
      throw error({where, "\"model_type\": \"bert\"", '"' + type + '"', "only BERT checkpoints can be opened"});
    if (const auto kind = io::value_or<std::string>(j, "position_embedding_type", where, "absolute"); kind != "absolute")
      throw error(
          {where, "\"position_embedding_type\": \"absolute\"", '"' + kind + '"', "relative positions are not a BERT's"});
    for (const char* key : {"is_decoder", "add_cross_attention"})
      if (io::value_or<bool>(j, key, where, false))
        throw error({where, cat('"', key, "\": false"), "true", "a decoder is no BERT"});
    c.vocab = positive(j, "vocab_size", where);
    c.hidden = positive(j, "hidden_size", where);
    c.layers = positive(j, "num_hidden_layers", where);
    c.heads = positive(j, "num_attention_heads", where);
    c.intermediate = positive(j, "intermediate_size", where);
    if (j.contains("max_position_embeddings")) c.positions = positive(j, "max_position_embeddings", where);
    if (j.contains("type_vocab_size")) c.segments = positive(j, "type_vocab_size", where);
    c.norm_epsilon = io::value_or<double>(j, "layer_norm_eps", where, 1e-12);
    c.activation = io::value_or<std::string>(j, "hidden_act", where, "gelu");
    if (c.activation == "gelu_pytorch_tanh" || c.activation == "gelu_fast") c.activation = "gelu_new";
    if (c.activation == "gelu_python") c.activation = "gelu";
    c.architectures = io::value_or<std::vector<std::string>>(j, "architectures", where, {});
    if (const auto names = j.find("id2label"); names != j.end() && !names->is_null()) {
      if (!names->is_object()) throw error({where + ", \"id2label\"", "an object", io::kind_of(*names), {}});
      for (std::size_t i = 0; i < names->size(); ++i)
        c.labels.push_back(io::require<std::string>(*names, std::to_string(i), where + ", \"id2label\""));
    }
    return c;
  }
  [[nodiscard]] static model_config read(const std::filesystem::path& path) {
    return parse(io::read_json(path), path.string());
  }

  /// The configuration of architecture A, with the sizes that it leaves open.
  template <bert::architecture A>
  [[nodiscard]] static model_config of(int vocab, std::vector<std::string> labels = {}) {
    model_config c;
    c.vocab = A::vocab == dynamic ? vocab : A::vocab;
    c.hidden = A::hidden;
    c.layers = A::layers;
    c.heads = A::heads;
    c.intermediate = A::intermediate;
    c.positions = A::positions;
    c.segments = A::segments;
    c.norm_epsilon = epsilon<A>();
    c.activation = activation_name<layers::activation_of<A>>();
    c.labels = std::move(labels);
    return c;
  }

  /// As transformers reads it. Dropout is a matter of training, not of the weights: its rates are those of the paper.
  [[nodiscard]] io::json to_json() const {
    io::json j = {{"model_type", "bert"},
                  {"architectures", architectures},
                  {"vocab_size", vocab},
                  {"hidden_size", hidden},
                  {"num_hidden_layers", layers},
                  {"num_attention_heads", heads},
                  {"intermediate_size", intermediate},
                  {"max_position_embeddings", positions},
                  {"type_vocab_size", segments},
                  {"layer_norm_eps", norm_epsilon},
                  {"hidden_act", activation},
                  {"hidden_dropout_prob", 0.1},
                  {"attention_probs_dropout_prob", 0.1},
                  {"initializer_range", 0.02},
                  {"pad_token_id", 0},
                  {"tie_word_embeddings", true},
                  {"dtype", "float32"}};
    for (std::size_t i = 0; i < labels.size(); ++i) {
      j["id2label"][std::to_string(i)] = labels[i];
      j["label2id"][labels[i]] = i;
    }
    return j;
  }

  /// Throws bert::error naming file, key, what the type says and what the file says, unless both agree.
  template <bert::architecture A>
  void check() const {
    for (const auto& f : facts<A>())
      if (f.expected != f.found)
        throw error({cat(where, ", \"", f.key, '"'), cat(f.expected, ", as the architecture's type says"), f.found,
                     "load it as the architecture that it was made with"});
  }
  /// Whether `check` would pass.
  template <bert::architecture A>
  [[nodiscard]] bool is() const {
    const auto all = facts<A>();
    return std::all_of(all.begin(), all.end(), [](const fact& f) { return f.expected == f.found; });
  }

 private:
  struct fact {
    const char* key;
    std::string expected, found;
  };

  template <class A>
  static double epsilon() {
    return std::pow(10.0, A::dimensions.norm_epsilon_exponent);
  }

  template <class A>
  [[nodiscard]] std::vector<fact> facts() const {
    const auto number = [](int n) { return std::to_string(n); };
    return {{"hidden_size", number(A::hidden), number(hidden)},
            {"num_hidden_layers", number(A::layers), number(layers)},
            {"num_attention_heads", number(A::heads), number(heads)},
            {"intermediate_size", number(A::intermediate), number(intermediate)},
            {"vocab_size", number(A::vocab == dynamic ? vocab : A::vocab), number(vocab)},
            {"max_position_embeddings", number(A::positions), number(positions)},
            {"type_vocab_size", number(A::segments), number(segments)},
            {"layer_norm_eps", cat(epsilon<A>()), cat(norm_epsilon)},
            {"hidden_act", std::string(activation_name<layers::activation_of<A>>()), activation}};
  }

  static int positive(const io::json& j, const char* key, const std::string& where) {
    // Beyond any BERT, and small enough that the product of two fits 64 bits.
    constexpr int most = 1 << 24;
    const int n = io::require<int>(j, key, where);
    if (n < 1 || n > most) throw error({cat(where, ", \"", key, '"'), cat("1 to ", most), cat(n), {}});
    return n;
  }
};

}  // namespace bert
