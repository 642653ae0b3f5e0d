// config.json or bert_config.json: the sizes of a checkpoint, checked against an architecture.
// Layer: checkpoint. Test: tests/unit/checkpoint/model_config_test.cpp
#ifndef BERT_CHECKPOINT_MODEL_CONFIG_HPP
#define BERT_CHECKPOINT_MODEL_CONFIG_HPP

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "bert/checkpoint/decoding_settings.hpp"
#include "bert/checkpoint/model_types.hpp"
#include "bert/core/error.hpp"
#include "bert/core/isa.hpp"
#include "bert/core/path.hpp"
#include "bert/io/json.hpp"
#include "bert/layers/post_norm.hpp"
#include "bert/model/dims.hpp"

namespace bert::inline BERT_ISA {

/// The name of an activation policy in config.json; a policy of your own has a `static constexpr std::string_view name`.
template <class Activation>
[[nodiscard]] constexpr std::string_view activation_name() noexcept {
  if constexpr (std::same_as<Activation, activation::gelu_erf>) return "gelu";
  else if constexpr (std::same_as<Activation, activation::gelu_tanh>) return "gelu_new";
  else if constexpr (std::same_as<Activation, activation::relu>) return "relu";
  else return Activation::name;
}

/// "model_type" of an architecture in config.json: its pooler's `model_type`, or "bert".
template <class A>
inline constexpr std::string_view model_type_of = [] {
  if constexpr (requires { A::pooler_module::model_type; }) return std::string_view(A::pooler_module::model_type);
  else return std::string_view("bert");
}();

/// The keys of config.json that describe a BERT, a DistilBERT or an ELECTRA. `where` names the file in errors.
struct model_config {
  std::string model_type = "bert";  ///< "bert", "distilbert", "electra"
  int vocab = 0;
  int hidden = 0;
  int layers = 0;
  int heads = 0;
  int intermediate = 0;
  int positions = 512;
  int segments = 2;
  double norm_epsilon = 1e-12;
  std::string activation = "gelu";         ///< "gelu_new" for every name of the tanh form
  std::vector<std::string> labels;         ///< names of the classes in order; empty if the file names none
  std::string label_fault;                 ///< what is wrong with "id2label"; an error only if labels are needed
  std::string problem_type;                ///< "single_label_classification", …; empty if the file does not say
  std::string classifier_pooling;          ///< "cls" or "mean", what a classifier reads; empty: the pooler
  std::vector<std::string> architectures;  ///< "BertForPreTraining", …; as a BERT's also for the other types
  decoding_settings decoding;              ///< how outputs are read
  std::string where = "config.json";

  /// Throws bert::error naming file and key for a key that is missing, of a wrong type, or not of a BERT.
  [[nodiscard]] static model_config parse(const io::json& j, const std::string& where) {
    model_config c;
    c.where = where;
    c.model_type = io::value_or<std::string>(j, "model_type", where, "bert");
    if (!models::find(c.model_type))
      throw_error({where, "\"model_type\": \"bert\", \"distilbert\" or \"electra\"", '"' + c.model_type + '"',
                   models::why_not(c.model_type)});
    const auto& key = c.keys();
    if (const auto kind = io::value_or<std::string>(j, "position_embedding_type", where, "absolute"); kind != "absolute")
      throw_error(
          {where, "\"position_embedding_type\": \"absolute\"", '"' + kind + '"', "relative positions are not supported"});
    for (const char* flag : {"is_decoder", "add_cross_attention"})
      if (io::value_or<bool>(j, flag, where, false))
        throw_error({where, cat('"', flag, "\": false"), "true", "a decoder is no BERT"});
    c.vocab = positive(j, "vocab_size", where);
    c.hidden = positive(j, key.hidden, where);
    c.layers = positive(j, key.layers, where);
    c.heads = positive(j, key.heads, where);
    c.intermediate = positive(j, key.intermediate, where);
    if (const int size = j.contains("embedding_size") ? positive(j, "embedding_size", where) : c.hidden;
        c.model_type == "electra" && size != c.hidden)
      throw_error({where + ", \"embedding_size\"", cat(c.hidden, ", as \"hidden_size\" is"), cat(size),
                   "embeddings that are projected, as electra-small has them, are not supported"});
    if (j.contains("max_position_embeddings")) c.positions = positive(j, "max_position_embeddings", where);
    if (j.contains("type_vocab_size")) c.segments = positive(j, "type_vocab_size", where);
    c.norm_epsilon = io::value_or<double>(j, "layer_norm_eps", where, 1e-12);
    c.activation = io::value_or<std::string>(j, key.activation, where, "gelu");
    if (c.activation == "gelu_pytorch_tanh" || c.activation == "gelu_fast") c.activation = "gelu_new";
    if (c.activation == "gelu_python") c.activation = "gelu";
    c.architectures = io::value_or<std::vector<std::string>>(j, "architectures", where, {});
    for (auto& name : c.architectures)
      if (const std::string_view own = key.class_name; name.starts_with(own)) name.replace(0, own.size(), "Bert");
    c.problem_type = io::value_or<std::string>(j, "problem_type", where, "");
    c.classifier_pooling = io::value_or<std::string>(j, "classifier_pooling", where, "");
    c.decoding = decoding_settings::parse(j, where);
    if (const auto pruned = j.find("pruned_heads"); pruned != j.end() && !pruned->is_null() && !pruned->empty())
      throw_error({where + ", \"pruned_heads\"", "none", pruned->dump(), "layers with pruned heads are not supported"});
    if (const auto packed = j.find("quantization_config"); packed != j.end() && !packed->is_null())
      throw_error({where + ", \"quantization_config\"", "none", io::kind_of(*packed), "save the model with full weights"});
    c.read_labels(j);
    if (const auto n = c.decoding.thresholds.size(); n != 0 && !c.labels.empty() && n != c.labels.size())
      throw_error({where + ", \"bert\", \"thresholds\"", cat(c.labels.size(), " numbers, one a label"), cat(n), {}});
    return c;
  }
  [[nodiscard]] static model_config read(const std::filesystem::path& path) {
    return parse(io::read_json(path), path_text(path));
  }

  /// The configuration of architecture A, with `vocab` if A leaves that open.
  template <bert::architecture A>
  [[nodiscard]] static model_config of(int vocab, std::vector<std::string> labels = {}) {
    model_config c;
    c.model_type = model_type_of<A>;
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

  /// As transformers reads it. Dropout is an option of training here, so its rates are the paper's.
  [[nodiscard]] io::json to_json() const {
    const auto& key = keys();
    std::vector<std::string> classes = architectures;
    for (auto& name : classes)
      if (name.starts_with("Bert")) name.replace(0, 4, key.class_name);
    io::json j = {{"model_type", model_type},
                  {"architectures", classes},
                  {"vocab_size", vocab},
                  {key.hidden, hidden},
                  {key.layers, layers},
                  {key.heads, heads},
                  {key.intermediate, intermediate},
                  {"max_position_embeddings", positions},
                  {key.activation, activation},
                  {key.dropout, 0.1},
                  {key.attention_dropout, 0.1},
                  {"initializer_range", 0.02},
                  {"pad_token_id", 0},
                  {"tie_word_embeddings", true},
                  {"dtype", "float32"}};
    if (model_type == "distilbert") {
      j["sinusoidal_pos_embds"] = false;
    } else {
      j["type_vocab_size"] = segments;
      j["layer_norm_eps"] = norm_epsilon;
    }
    if (model_type == "electra") j["embedding_size"] = hidden;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      j["id2label"][std::to_string(i)] = labels[i];
      j["label2id"][labels[i]] = i;
    }
    if (!problem_type.empty()) j["problem_type"] = problem_type;
    if (!classifier_pooling.empty()) j["classifier_pooling"] = classifier_pooling;
    decoding.add_to(j);
    return j;
  }

  /// Throws bert::error naming file, key and both values, unless A and the file agree.
  template <bert::architecture A>
  void check() const {
    for (const auto& f : facts<A>())
      if (f.expected != f.found)
        throw_error({cat(where, ", \"", f.key, '"'), cat(f.expected, ", as the architecture's type says"), f.found,
                     "load it as the architecture that it was made with"});
  }
  /// `"layer_norm_eps" 1e-05 in place of 1e-12, …`: every key in which the file differs from A; empty if `check` would pass.
  template <bert::architecture A>
  [[nodiscard]] std::vector<std::string> differences() const {
    std::vector<std::string> out;
    for (const auto& f : facts<A>())
      if (f.expected != f.found) out.push_back(cat('"', f.key, "\" ", f.found, " in place of ", f.expected));
    return out;
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
    const auto& key = keys();
    return {{"model_type", std::string(model_type_of<A>), model_type},
            {key.hidden, number(A::hidden), number(hidden)},
            {key.layers, number(A::layers), number(layers)},
            {key.heads, number(A::heads), number(heads)},
            {key.intermediate, number(A::intermediate), number(intermediate)},
            {"vocab_size", number(A::vocab == dynamic ? vocab : A::vocab), number(vocab)},
            {"max_position_embeddings", number(A::positions), number(positions)},
            {"type_vocab_size", number(A::segments), number(segments)},
            {"layer_norm_eps", cat(epsilon<A>()), cat(norm_epsilon)},
            {key.activation, std::string(activation_name<layers::activation_of<A>>()), activation}};
  }

  [[nodiscard]] const models::keys& keys() const noexcept { return *models::find(model_type); }

  // Only classifiers need names, so a fault in them is stored here and thrown when a classifier is loaded.
  void read_labels(const io::json& j) {
    const auto names = j.find("id2label");
    const bool named = names != j.end() && !names->is_null();
    const auto count = io::value_or<std::size_t>(j, "num_labels", where, 0);
    if (!named) {
      if (count > 1u << 24) label_fault = cat("num_labels ", count);
      else
        for (std::size_t i = 0; i < count; ++i) labels.push_back("LABEL_" + std::to_string(i));
      return;
    }
    if (!names->is_object()) {
      label_fault = io::kind_of(*names);
      return;
    }
    std::vector<std::string> found;
    for (std::size_t i = 0; i < names->size() && label_fault.empty(); ++i) {
      const std::string key = std::to_string(i);
      const auto at = names->find(key);
      if (at == names->end()) label_fault = cat("no key \"", key, "\" of ", names->size());
      else if (!at->is_string()) label_fault = cat(io::kind_of(*at), " for \"", key, '"');
      else if (at->get<std::string>().empty()) label_fault = cat("an empty name for \"", key, '"');
      else if (const auto twin = std::find(found.begin(), found.end(), at->get<std::string>()); twin != found.end())
        label_fault = cat('"', *twin, "\" for \"", twin - found.begin(), "\" and \"", key, '"');
      else found.push_back(at->get<std::string>());
    }
    if (label_fault.empty() && count != 0 && count != found.size())
      label_fault = cat(found.size(), " names and num_labels ", count);
    if (label_fault.empty()) labels = std::move(found);
  }

  static int positive(const io::json& j, const char* key, const std::string& where) {
    // Beyond any BERT, and small enough that the product of two fits in 64 bits.
    constexpr int most = 1 << 24;
    const int n = io::require<int>(j, key, where);
    if (n < 1 || n > most) throw_error({cat(where, ", \"", key, '"'), cat("1 to ", most), cat(n), {}});
    return n;
  }
};

namespace pipelines {

/// The configuration of a folder: config.json, or Google's bert_config.json where that is all there is.
[[nodiscard]] inline std::filesystem::path config_file(const std::filesystem::path& folder) {
  std::error_code ignored;
  const auto usual = folder / "config.json", google = folder / "bert_config.json";
  return !std::filesystem::exists(usual, ignored) && std::filesystem::exists(google, ignored) ? google : usual;
}

}  // namespace pipelines

}  // namespace bert

#endif  // BERT_CHECKPOINT_MODEL_CONFIG_HPP
